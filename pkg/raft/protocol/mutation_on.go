//go:build mutants

package protocol

// Mutation breaks one rule on purpose, to prove that a check catches it.
// It exists in builds tagged mutants alone.
type Mutation struct {
	Name string
}

// Is reports whether the named rule is to be broken.
func (m Mutation) Is(name string) bool { return m.Name == name }
