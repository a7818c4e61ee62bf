package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"whitewater/pkg/harness/load"
)

// puzzle is a history that takes an endless search: many writes at once that told no revision, then a read of nothing
// that was written.
func puzzle() []load.Operation {
	var history []load.Operation
	for i := range 40 {
		history = append(history, wrote(ok(i+1, fmt.Sprintf("c%d", i), load.Append, "k", 1, 2), fmt.Sprintf("t%d;", i), 0, 0))
	}
	return append(history, readOf(ok(99, "c99", load.Get, "k", 3, 4), "nothing like it", 1))
}

func TestLinearizability_MemoryIsBounded(t *testing.T) {
	run := &Run{Name: "puzzle", Nodes: []string{"n1"}, History: puzzle(), Limits: Limits{MemoryBytes: 16 << 20, Time: time.Minute}}
	f := linearizability(t.Context(), run)
	if f.Verdict != Unknown || !strings.Contains(f.Summary, "16 MiB") {
		t.Errorf("finding: %s", show(f))
	}
}

func TestLinearizability_NamesTheFirstUnexplainedAnswerAndDraws(t *testing.T) {
	run := soundRun()
	run.History[7] = readOf(run.History[7], "v1", 2)
	run.Visualization = filepath.Join(t.TempDir(), "k.html")
	f := linearizability(t.Context(), run)
	if f.Verdict != Fail || !strings.Contains(f.Summary, `get(r0) -> "v1" at 2 by f1`) || f.When != run.History[7].Return {
		t.Errorf("finding: %s", show(f))
	}
	page, err := os.ReadFile(run.Visualization)
	if err != nil || !strings.Contains(string(page), "<html") {
		t.Errorf("picture of %d bytes, %v", len(page), err)
	}
}

// world is a sound store under concurrent clients: each operation takes effect at its own moment between
// call and return; some are not answered, and of those some never took effect.
func world(t *rapid.T, kinds []load.Kind) []load.Operation {
	n := rapid.IntRange(1, 9).Draw(t, "n")
	type planned struct {
		op      load.Operation
		effect  int64
		applied bool
	}
	var plan []planned
	for i := range n {
		call := rapid.Int64Range(0, 40).Draw(t, "call")
		length := rapid.Int64Range(0, 20).Draw(t, "length")
		p := planned{applied: true}
		p.op = load.Operation{
			ID: i + 1, Client: fmt.Sprintf("c%d", i), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Key: "k",
			Call: call * 10, Return: (call+length)*10 + 9, Outcome: load.OK,
		}
		p.effect = p.op.Call + rapid.Int64Range(0, p.op.Return-p.op.Call).Draw(t, "effect")
		if p.op.Kind.Write() && rapid.IntRange(0, 3).Draw(t, "fate") == 0 {
			p.op.Outcome, p.op.Return = load.Unknown, load.Forever
			p.applied = rapid.Bool().Draw(t, "applied")
			p.effect += rapid.Int64Range(0, 100).Draw(t, "late")
		}
		p.op.Input = fmt.Sprintf("v%d;", i)
		plan = append(plan, p)
	}
	slices.SortStableFunc(plan, func(a, b planned) int { return int(a.effect - b.effect) })
	present, value, revision := false, "", uint64(0)
	var history []load.Operation
	for i, p := range plan {
		index, op := uint64(i+1), p.op
		if op.Kind == load.CAS {
			op.Expect = rapid.SampledFrom([]uint64{0, revision, index / 2}).Draw(t, "expect")
		}
		if p.applied {
			switch op.Kind {
			case load.Get:
				op.Input, op.Found, op.Output, op.Revision = "", present, value, revision
			case load.Put:
				present, value, revision, op.Revision = true, op.Input, index, index
			case load.Append:
				present, value, revision, op.Revision = true, value+op.Input, index, index
			case load.Delete:
				op.Found = present
				if present {
					op.Revision = index
				}
				present, value, revision = false, "", 0
			case load.CAS:
				if op.Expect == revision {
					present, value, revision = true, op.Input, index
					op.Swapped = true
				}
				op.Revision = revision
			}
		}
		if op.Kind == load.Delete {
			op.Input = ""
		}
		if op.Outcome == load.Unknown {
			op.Found, op.Swapped, op.Revision, op.Index = false, false, 0, 0
		}
		history = append(history, op)
	}
	return history
}

func kindSets() [][]load.Kind {
	return [][]load.Kind{
		{load.Get, load.Append},
		{load.Get, load.Put},
		{load.Get, load.Put, load.CAS},
		{load.Get, load.Put, load.CAS, load.Delete},
		load.Kinds(),
	}
}

// A history that a store produced is linearizable, and stays so when it is settled.
func TestModel_AcceptsWhatAStoreDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := world(t, rapid.SampledFrom(kindSets()).Draw(t, "kinds"))
		b := &budget{deadline: time.Now().Add(time.Minute)}
		for name, ops := range map[string][]load.Operation{"plain": plain(history), "settled": settle(history)} {
			if got := search(b, ops); got != porcupine.Ok {
				t.Fatalf("%s history is %s:\n%s", name, got, lines(ops))
			}
		}
	})
}

// Settling changes no verdict: compared with the plain history, where one answer was exchanged for another.
func TestSettle_ChangesNoVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := world(t, rapid.SampledFrom(kindSets()).Draw(t, "kinds"))
		var reads []int
		for i, op := range history {
			if op.Kind == load.Get {
				reads = append(reads, i)
			}
		}
		if len(reads) > 0 {
			to, from := rapid.SampledFrom(reads).Draw(t, "to"), rapid.SampledFrom(reads).Draw(t, "from")
			history[to].Found, history[to].Output, history[to].Revision = history[from].Found, history[from].Output, history[from].Revision
		}
		b := &budget{deadline: time.Now().Add(time.Minute)}
		if got, want := search(b, settle(history)), search(b, plain(history)); got != want {
			t.Fatalf("settled %s, plain %s:\n%s", got, want, lines(history))
		}
	})
}

// plain leaves out what says nothing, and narrows nothing.
func plain(ops []load.Operation) []load.Operation {
	return slices.DeleteFunc(slices.Clone(ops), func(op load.Operation) bool {
		return op.Outcome == load.Failed || op.Stale || op.Kind == load.Get && op.Outcome != load.OK
	})
}

func lines(ops []load.Operation) string {
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(&b, "%d to %d %s\n", op.Call, op.Return, describe(op))
	}
	return b.String()
}
