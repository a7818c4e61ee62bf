package whitewater_test

import (
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs_LabNotes: every test that docs/lab-notes.md names exists, and all 25 notes have one.
func TestDocs_LabNotes(t *testing.T) {
	page, err := os.ReadFile("docs/lab-notes.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, s := range sources(t) {
		for _, declaration := range s.file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && s.isTest() && strings.HasPrefix(function.Name.Name, "Test") {
				tests[function.Name.Name] = true
			}
		}
	}
	name := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	rows := 0
	for line := range strings.Lines(string(page)) {
		named := name.FindAllStringSubmatch(line, -1)
		for _, match := range named {
			if !tests[match[1]] {
				t.Errorf("docs/lab-notes.md names %s, which does not exist", match[1])
			}
		}
		if regexp.MustCompile(`^\| \d+ \|`).MatchString(line) {
			rows++
			if len(named) == 0 {
				t.Errorf("no test is named for: %s", line)
			}
		}
	}
	if rows != 25 {
		t.Errorf("the page has %d notes, want 25", rows)
	}
}
