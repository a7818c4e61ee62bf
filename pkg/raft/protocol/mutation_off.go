//go:build !mutants

package protocol

// Mutation breaks one rule on purpose, to prove that a check catches it.
// This build has none: Is is false and the compiler drops what it guards.
type Mutation struct{}

// Is reports whether the named rule is to be broken.
func (Mutation) Is(string) bool { return false }
