package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxFileBytes bounds a scenario file; the longest of ours has three thousand.
const maxFileBytes = 256 << 10

// Parse reads one scenario file strictly. On an error it returns a [*FileError] with every fault found.
func Parse(file string, text []byte) (*Scenario, error) {
	if len(text) > maxFileBytes {
		return nil, &FileError{File: file, Problems: []Problem{{1, 1, fmt.Sprintf("the file has %d bytes: at most %d are read", len(text), maxFileBytes)}}}
	}
	var root yaml.Node
	if err := yaml.Load(text, &root); err != nil {
		return nil, &FileError{File: file, Problems: loadProblems(err)}
	}
	s := &Scenario{source: text}
	problems := decode(&root, s)
	problems = append(problems, validate(s, &root, problems)...)
	if len(problems) > 0 {
		return nil, &FileError{File: file, Problems: tidy(problems)}
	}
	return s, nil
}

// decode loads twice: a duplicate key hides all other faults, and without that test it goes unnoticed.
func decode(root *yaml.Node, s *Scenario) []Problem {
	var problems []Problem
	if err := root.Load(new(Scenario), yaml.WithKnownFields()); err != nil {
		problems = append(problems, loadProblems(err)...)
	}
	if err := root.Load(s, yaml.WithKnownFields(), yaml.WithUniqueKeys(false)); err != nil {
		problems = append(problems, loadProblems(err)...)
	}
	return problems
}

// tidy sorts problems by place and drops repeats.
func tidy(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(a.Text, b.Text))
	})
	return slices.Compact(problems)
}

// loadProblems turns the library's errors into ours.
func loadProblems(err error) []Problem {
	if all, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		var problems []Problem
		for _, e := range all.Errors {
			problems = append(problems, loadProblem(e))
		}
		return problems
	}
	if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		return []Problem{loadProblem(one)}
	}
	return []Problem{{1, 1, err.Error()}}
}

var (
	unknownField = regexp.MustCompile(`^field (.+) not found in type scenario\.(\w+)$`)
	wrongType    = regexp.MustCompile("(?s)^cannot construct (\\S+) (?:`(.*)` )?into (\\S+)$")
)

func loadProblem(e *yaml.LoadError) Problem {
	p := Problem{Line: max(e.Mark.Line, 1), Column: max(e.Mark.Column, 1), Text: strings.TrimPrefix(e.Message, "yaml: ")}
	if m := unknownField.FindStringSubmatch(p.Text); m != nil {
		p.Text = fmt.Sprintf("unknown field %q: here may stand %s", m[1], strings.Join(fieldsOf(m[2]), ", "))
	} else if m := wrongType.FindStringSubmatch(p.Text); m != nil {
		p.Text = fmt.Sprintf("want %s, found %s", plainType(m[3]), cmp.Or(m[2], strings.TrimPrefix(m[1], "!!")))
	}
	return p
}

func plainType(goType string) string {
	switch {
	case strings.Contains(goType, "map["), strings.HasPrefix(goType, "scenario."):
		return "a mapping (key: value lines)"
	case strings.HasPrefix(goType, "[]"):
		return "a list (lines with a dash)"
	case strings.HasPrefix(goType, "int"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "string":
		return "a word or text"
	}
	return goType
}

// fieldsOf lists the keys of one of the types that a file is made of.
func fieldsOf(name string) []string {
	types := []any{
		Scenario{}, ClusterSpec{}, LoadSpec{}, Step{}, Await{}, Tail{}, Compact{}, Exited{}, Members{}, Transfer{}, Fill{}, Pin{}, Partition{}, MessageFault{}, Expect{}, Bounds{}, ExpectFail{},
	}
	for _, v := range types {
		t := reflect.TypeOf(v)
		if t.Name() != name {
			continue
		}
		var keys []string
		for f := range t.Fields() {
			if key := f.Tag.Get("yaml"); key != "" {
				keys = append(keys, key)
			}
		}
		return keys
	}
	return nil
}

// place finds the position of a path of keys and list positions; of its deepest part that exists.
func place(root *yaml.Node, path ...any) (line, column int) {
	n := content(root)
	line, column = n.Line, n.Column
	for _, part := range path {
		at, value := child(n, part)
		if value == nil {
			break
		}
		line, column = at.Line, at.Column
		n = value
	}
	return max(line, 1), max(column, 1)
}

// content is the value of a whole document.
func content(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		return n.Content[0]
	}
	return n
}

// child finds the value at a key or a list position, and the node where it is written: the key, or the value itself. Both
// are nil if there is none.
func child(n *yaml.Node, part any) (at, value *yaml.Node) {
	switch key := part.(type) {
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				at, value = n.Content[i], n.Content[i+1]
			}
		}
	case int:
		if n.Kind == yaml.SequenceNode && key < len(n.Content) {
			at, value = n.Content[key], n.Content[key]
		}
	}
	return at, value
}
