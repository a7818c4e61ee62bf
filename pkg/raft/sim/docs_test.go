package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables in docs")

// TestDocs_Checks: the page lists the checks that there are.
func TestDocs_Checks(t *testing.T) {
	const begins, ends = "<!-- checks: written by go test ./pkg/raft/sim -run Docs -update -->\n", "<!-- end -->\n"
	var table strings.Builder
	table.WriteString("| check | promise | looked at |\n|---|---|---|\n")
	for _, c := range Checks {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", c.Name, c.Says, c.When)
	}
	page := filepath.Join("..", "..", "..", "docs", "simulation.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(text), begins)
	old, after, closed := strings.Cut(rest, ends)
	switch {
	case !opened || !closed:
		t.Fatalf("%s lacks the table of checks", page)
	case *update:
		if err := os.WriteFile(page, []byte(before+begins+table.String()+ends+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case old != table.String():
		t.Errorf("the table of checks in %s should be as follows; run go test -update and review the difference:\n%s", page, table.String())
	}
}
