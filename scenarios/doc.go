// Package scenarios holds the catalogue: the scenario files that come with the harness, and, in
// mutants, those for clusters that are broken on purpose and must be caught.
//
// It holds files only; package scenario reads and runs them.
package scenarios
