package scenario

import (
	"cmp"

	"go.yaml.in/yaml/v4"
)

// consequence reports whether a fault of the value at a path may come from faults of shape alone: what it
// speaks of is missing, or one of them lies within it.
func consequence(root *yaml.Node, shape []Problem, path []any) bool {
	line, column := place(root, path...)
	n := follow(root, path)
	if n == nil {
		return true
	}
	endLine, endColumn := end(n)
	for _, p := range shape {
		before := cmp.Or(cmp.Compare(p.Line, line), cmp.Compare(p.Column, column)) < 0
		behind := cmp.Or(cmp.Compare(p.Line, endLine), cmp.Compare(p.Column, endColumn)) > 0
		if !before && !behind {
			return true
		}
	}
	return false
}

// follow finds the value at a path of keys and list positions; nil if there is none.
func follow(n *yaml.Node, path []any) *yaml.Node {
	n = content(n)
	for _, part := range path {
		if _, n = child(n, part); n == nil {
			return nil
		}
	}
	return n
}

// end is where the last value within n begins.
func end(n *yaml.Node) (line, column int) {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n.Line, n.Column
}
