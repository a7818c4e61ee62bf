package check

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/anishathalye/porcupine"

	"whitewater/pkg/harness/load"
)

// linearizability: each key's history could have been produced by one store that does one operation at a
// time, at some moment between its call and its return.
//
// Operations of unknown outcome may take effect at any later time, once, or never; failed ones must have no
// effect; reads that asked for staleness are left out. Revisions are judged too: along a key they grow. A
// search that runs out of time or memory is unknown.
func linearizability(ctx context.Context, run *Run) Finding {
	d := newDocket(run, "linearizability")
	b := newBudget(ctx, run.Limits)
	defer b.close()
	keys := map[string][]load.Operation{}
	for _, op := range run.History {
		keys[op.Key] = append(keys[op.Key], op)
	}
	names := slices.SortedFunc(maps.Keys(keys), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(keys[a]), len(keys[b])), cmp.Compare(a, b))
	})
	undecided := 0
	for _, key := range names {
		ops := settle(keys[key])
		switch search(b, ops) {
		case porcupine.Ok:
			d.saw(answers(ops))
		case porcupine.Illegal:
			d.notLinearizable(b, key, ops)
		default:
			undecided++
		}
	}
	if undecided > 0 {
		d.doubt("%d of %d keys undecided: %s", undecided, len(keys), b.reason)
	}
	return d.conclude("no operation was answered", "%d operations on %d keys are linearizable", d.seen, len(keys))
}

func answers(ops []load.Operation) int {
	n := 0
	for _, op := range ops {
		if op.Outcome == load.OK {
			n++
		}
	}
	return n
}

// search asks porcupine, within the budget.
func search(b *budget, ops []load.Operation) porcupine.CheckResult {
	if b.spent() {
		return porcupine.Unknown
	}
	result := porcupine.CheckOperationsTimeout(model(b), forPorcupine(ops), b.left())
	if b.spent() {
		return porcupine.Unknown // its steps failed for want of budget
	}
	return result
}

func forPorcupine(ops []load.Operation) []porcupine.Operation {
	clients := map[string]int{}
	all := make([]porcupine.Operation, 0, len(ops))
	for _, op := range ops {
		id, known := clients[op.Client]
		if !known {
			id = len(clients)
			clients[op.Client] = id
		}
		end := op.Return
		if op.Outcome == load.Unknown {
			end = load.Forever
		}
		all = append(all, porcupine.Operation{ClientId: id, Input: op, Call: op.Call, Return: end})
	}
	return all
}

// notLinearizable finds the first answer that no order explains and tells what stood around it.
func (d *docket) notLinearizable(b *budget, key string, ops []load.Operation) {
	culprit, ops := firstUnexplained(b, ops)
	d.breach(culprit.Ended(), lastNode(culprit), "no order of the operations on %s explains %s by %s, called at %s",
		key, describe(culprit), culprit.Client, d.run.at(culprit.Call))
	if d.breaches > 1 {
		return
	}
	for _, op := range before(ops, culprit) {
		end := "open"
		if op.Return != load.Forever {
			end = d.run.at(op.Return)
		}
		d.finding.Evidence = append(d.finding.Evidence,
			fmt.Sprintf("  %s to %s %s %s at %s", d.run.at(op.Call), end, op.Client, describe(op), lastNode(op)))
	}
	if d.run.Visualization != "" {
		d.draw(ops)
	}
}

func lastNode(op load.Operation) string {
	if len(op.Attempts) == 0 {
		return ""
	}
	return op.Attempts[len(op.Attempts)-1].Node
}

// before are the last few operations that began before the culprit ended.
func before(ops []load.Operation, culprit load.Operation) []load.Operation {
	const most = 10
	ops = slices.DeleteFunc(slices.Clone(ops), func(op load.Operation) bool {
		return op.Call > culprit.Return || op.ID == culprit.ID
	})
	slices.SortFunc(ops, func(a, b load.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return ops[max(0, len(ops)-most):]
}

// firstUnexplained finds the shortest prefix of the history that is not linearizable: its last answer, and
// its operations. A prefix of a linearizable history is linearizable, so halving finds it.
func firstUnexplained(b *budget, ops []load.Operation) (load.Operation, []load.Operation) {
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b load.Operation) int { return cmp.Compare(a.Return, b.Return) })
	n := sort.Search(len(ops), func(n int) bool {
		return search(b, prefix(ops, n+1)) != porcupine.Ok
	})
	n = min(n, len(ops)-1)
	return ops[n], prefix(ops, n+1)
}

// prefix is the history up to the n-th answer: later answers are not known yet, later calls not made.
func prefix(ops []load.Operation, n int) []load.Operation {
	until := ops[n-1].Return
	known := slices.Clone(ops[:n])
	for _, op := range ops[n:] {
		if op.Call > until || op.Kind == load.Get {
			continue
		}
		op.Outcome, op.Return, op.Revision, op.Index, op.Swapped = load.Unknown, load.Forever, 0, 0, false
		known = append(known, op)
	}
	return known
}

// draw leaves porcupine's picture of the key.
func (d *docket) draw(ops []load.Operation) {
	free := &budget{}
	_, info := porcupine.CheckOperationsVerbose(model(free), forPorcupine(ops), defaultSearchTime/4)
	note := "picture: " + d.run.Visualization
	if err := porcupine.VisualizePath(model(free), info, d.run.Visualization); err != nil {
		note = "no picture: " + err.Error()
	}
	d.finding.Evidence = append(d.finding.Evidence, note)
}
