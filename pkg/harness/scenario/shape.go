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
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for _, part := range path {
		var next *yaml.Node
		switch key := part.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					next = n.Content[i+1]
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && key < len(n.Content) {
				next = n.Content[key]
			}
		}
		if next == nil {
			return nil
		}
		n = next
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
