package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Catalogue reads every scenario of a folder: first those at its top, then those below, by name. A
// file's name is its scenario's, with .yaml.
func Catalogue(files fs.FS) ([]*Scenario, error) {
	var top, below []*Scenario
	var faults []error
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		s, err := Parse(name, text)
		if err != nil {
			faults = append(faults, err)
			return nil
		}
		if want := strings.TrimSuffix(path.Base(name), ".yaml"); s.Name != want {
			faults = append(faults, fmt.Errorf("%s: holds the scenario %q: call it %q, or rename the file", name, s.Name, want))
		}
		if path.Dir(name) == "." {
			top = append(top, s)
		} else {
			below = append(below, s)
		}
		return nil
	})
	return append(top, below...), errors.Join(append(faults, err)...)
}
