// Package whitewater_test holds the source itself to the rules that the design rests on.
package whitewater_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Limits of style. A function that is one table or one switch of one-line cases may be longer; name it in exceptions.
const (
	maxFileLines     = 500
	maxFunctionLines = 60
	maxDocLines      = 60
	maxCommandLines  = 200
)

// source is one Go file of the module.
type source struct {
	path  string // slash-separated, from the root
	file  *ast.File
	fset  *token.FileSet
	lines int
	text  []byte
}

func (s source) dir() string  { return filepath.ToSlash(filepath.Dir(s.path)) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) isGenerated() bool {
	return bytes.Contains(s.text, []byte("\n// Code generated ")) || bytes.HasPrefix(s.text, []byte("// Code generated "))
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "bin" || entry.Name() == "runs") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(path), file, fset, bytes.Count(text, []byte("\n")), text})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d Go files: not at the root?", len(all))
	}
	return all
}

// rule says what the packages below a folder may import of this module, tests apart.
type rule struct {
	below   string
	allowed []string // prefixes; the folder itself always is
	why     string
}

var walls = []rule{
	{"pkg/raft/protocol", nil, "Raft itself depends on nothing"},
	{"pkg/raft/storage", []string{"pkg/raft/protocol", "pkg/raft/storage/vfs"}, "storage is below the replica"},
	{"pkg/raft/storage/vfs", nil, "a file system knows nothing of what is in its files"},
	{"pkg/raft/sim", []string{"pkg/raft"}, "the simulator knows what it runs, and no service"},
	{"pkg/raft/transport", []string{"pkg/raft", "pkg/wire"}, "transport joins these two"},
	{"pkg/raft", []string{"pkg/raft/protocol"}, "a replica knows its disk and its peers as interfaces"},
	{"pkg/wire", nil, "wire knows nothing of Raft"},
	{"pkg/kv", []string{"pkg/raft"}, "the service stands on the replica"},
	{"pkg/chaos", []string{"pkg/wire"}, "the proxy knows frames and nothing of Raft"},
	{"pkg/harness", []string{"pkg/harness", "pkg/chaos", "scenarios"}, "the harness treats a node as a black box"},
	{"cmd/raftnode", []string{"pkg/raft", "pkg/kv", "pkg/wire"}, "a node is no harness and no proxy"},
	{"cmd/chaosproxy", []string{"pkg/chaos", "pkg/wire"}, "the proxy knows nothing of Raft"},
	{"cmd/harness", []string{"pkg/harness", "pkg/chaos", "scenarios"}, "the harness treats a node as a black box"},
}

func TestWalls_Imports(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		wall, ok := wallOf(s.dir())
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			target, ours := strings.CutPrefix(path, "whitewater/")
			if !ours || !ok {
				continue
			}
			if !allowed(wall, target) {
				t.Errorf("%s imports %s: %s", s.path, path, wall.why)
			}
		}
	}
}

// wallOf is the innermost rule for a folder.
func wallOf(dir string) (rule, bool) {
	var best rule
	for _, r := range walls {
		if within(dir, r.below) && len(r.below) > len(best.below) {
			best = r
		}
	}
	return best, best.below != ""
}

func within(dir, prefix string) bool { return dir == prefix || strings.HasPrefix(dir, prefix+"/") }

func allowed(r rule, target string) bool {
	if within(target, r.below) {
		// A package may not reach around the wall to what stands on it.
		inner, _ := wallOf(target)
		return inner.below == r.below || slices.Contains(r.allowed, target)
	}
	return slices.ContainsFunc(r.allowed, func(prefix string) bool { return within(target, prefix) })
}

// TestWalls_PureProtocol keeps clocks, goroutines, I/O and shared randomness out of Raft itself.
func TestWalls_PureProtocol(t *testing.T) {
	pure := []string{"cmp", "encoding/binary", "encoding/json", "errors", "fmt", "hash/crc32", "maps", "math", "math/rand/v2", "slices", "sort", "strings", "time", "unicode/utf8"}
	impure := map[string][]string{
		"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
		"rand": {"Int64N", "IntN", "Float64", "Uint64", "Perm", "Shuffle", "N"},
	}
	for _, s := range sources(t) {
		if s.dir() != "pkg/raft/protocol" || s.isTest() {
			continue
		}
		for _, spec := range s.file.Imports {
			if path := strings.Trim(spec.Path.Value, `"`); !slices.Contains(pure, path) {
				t.Errorf("%s imports %s, which is not on the list of pure packages", s.path, path)
			}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine", s.fset.Position(node.Pos()))
			case *ast.SelectorExpr:
				if pkg, ok := node.X.(*ast.Ident); ok && pkg.Obj == nil && slices.Contains(impure[pkg.Name], node.Sel.Name) {
					t.Errorf("%s calls %s.%s", s.fset.Position(node.Pos()), pkg.Name, node.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestWalls_Size keeps files and functions readable. exceptions may only shrink.
func TestWalls_Size(t *testing.T) {
	exceptions := map[string]string{}
	for _, s := range sources(t) {
		limit := maxFileLines
		if strings.HasPrefix(s.path, "cmd/") && !s.isTest() {
			limit = maxCommandLines
		}
		if s.lines > limit && !s.isGenerated() {
			t.Errorf("%s has %d lines, at most %d: an idea in it wants a file of its own", s.path, s.lines, limit)
		}
		for _, declaration := range s.file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Body == nil || s.isTest() {
				continue
			}
			lines := s.fset.Position(function.End()).Line - s.fset.Position(function.Pos()).Line + 1
			name := s.path + ": " + function.Name.Name
			if _, ok := exceptions[name]; !ok && lines > maxFunctionLines {
				t.Errorf("%s has %d lines, at most %d", name, lines, maxFunctionLines)
			}
		}
	}
}

// TestWalls_Docs: every package says what it is for, on one page.
func TestWalls_Docs(t *testing.T) {
	documented, packages := map[string]int{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() || s.dir() == "." {
			continue
		}
		packages[s.dir()] = true
		if s.file.Doc != nil && filepath.Base(s.path) == "doc.go" {
			documented[s.dir()] = s.lines
		}
	}
	for dir := range packages {
		switch lines, ok := documented[dir]; {
		case !ok:
			t.Errorf("%s has no doc.go with a package comment", dir)
		case lines > maxDocLines:
			t.Errorf("%s/doc.go has %d lines, at most %d", dir, lines, maxDocLines)
		}
	}
}

// TestWalls_Habits: no package-level state made by init, no packages named after nothing, no sleeps where
// tests could await an event.
func TestWalls_Habits(t *testing.T) {
	all := sources(t)
	virtual := map[string]bool{} // packages whose tests run on a virtual clock, which only sleeping moves
	for _, s := range all {
		if s.isTest() && bytes.Contains(s.text, []byte(`"testing/synctest"`)) {
			virtual[s.dir()] = true
		}
	}
	for _, s := range all {
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc"}, s.file.Name.Name) {
			t.Errorf("%s: package %s says nothing about what is in it", s.path, s.file.Name.Name)
		}
		for _, declaration := range s.file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s has an init function", s.path)
			}
		}
		if s.isTest() && !virtual[s.dir()] {
			for _, position := range sleeps(s) {
				t.Errorf("%s sleeps in real time: await an event", position)
			}
		}
	}
}

// sleeps are the calls of time.Sleep in a file.
func sleeps(s source) []string {
	var found []string
	ast.Inspect(s.file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok && selector.Sel.Name == "Sleep" {
			if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == "time" {
				found = append(found, fmt.Sprint(s.fset.Position(node.Pos())))
			}
		}
		return true
	})
	return found
}
