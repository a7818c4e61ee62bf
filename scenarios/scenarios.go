package scenarios

import "embed"

// Files is the catalogue, as in this folder.
//
//go:embed *.yaml mutants/*.yaml
var Files embed.FS
