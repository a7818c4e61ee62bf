package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "rewrite the tables in docs")

// compareTable holds the part of a page between two marks against what it should be.
func compareTable(t *testing.T, page, begins, ends, table string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, opened := strings.Cut(string(text), begins)
	old, after, closed := strings.Cut(rest, ends)
	if !opened || !closed {
		t.Fatalf("%s lacks the line %q or the line %q", page, begins, ends)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begins+table+ends+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("%s is stale: run go test ./cmd/raftnode -run %s -update and look at the difference. The table should be\n%s", page, t.Name(), table)
	}
}

// Every flag is on the page, with its default.
func TestFlags_ArePage(t *testing.T) {
	table := "| flag | default | meaning |\n|---|---|---|\n"
	defaults().flagSet().VisitAll(func(f *pflag.Flag) {
		if f.Name == "mutant" {
			return
		}
		argument, meaning := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if argument != "" && f.Value.Type() != "bool" {
			name += " " + argument
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", name, orDash(f.DefValue), meaning)
	})
	compareTable(t, "../../docs/raftnode.md", "<!-- flags: written by go test ./cmd/raftnode -run Flags -update -->\n", "<!-- flags end -->\n", table)
}
