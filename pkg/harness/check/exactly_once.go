package check

import (
	"context"
	"strings"

	"whitewater/pkg/harness/load"
)

// exactlyOnce: a retried write takes effect once. On keys that are only ever appended to, each token stands at
// most once in any value read, exactly once at the end if it was acknowledged, never if it was refused,
// and nothing else stands there. No two acknowledged writes share a log entry.
//
// A token of unknown outcome may stand there or not. The entry itself may stand twice in the log: the effect counts.
func exactlyOnce(_ context.Context, run *Run) Finding {
	d := newDocket(run, "exactly-once")
	keys := map[string][]load.Operation{}
	entries := map[uint64]load.Operation{}
	for _, op := range run.History {
		keys[op.Key] = append(keys[op.Key], op)
		if !effective(op) || op.Index == 0 {
			continue
		}
		if other, taken := entries[op.Index]; taken {
			d.breach(op.Return, lastNode(op), "%s and %s were both acknowledged as entry %d", describe(op), describe(other), op.Index)
		}
		entries[op.Index] = op
	}
	for _, key := range sortedKeys(keys) {
		if sortOf(keys[key]) == appendOnly {
			d.tokens(key, keys[key])
		}
	}
	return d.conclude("no key that was appended to was read at the end", "%d acknowledged appends stand exactly once", d.seen)
}

func (d *docket) tokens(key string, ops []load.Operation) {
	appended := map[string]load.Operation{}
	for _, op := range ops {
		if op.Kind == load.Append {
			appended[op.Input] = op
		}
	}
	for _, op := range ops {
		if op.Kind == load.Get && op.Outcome == load.OK {
			d.value(key, op, appended)
		}
	}
}

// value judges one read of an append-only key.
func (d *docket) value(key string, read load.Operation, appended map[string]load.Operation) {
	count := map[string]int{}
	for token := range strings.SplitAfterSeq(read.Output, ";") {
		if token == "" {
			continue
		}
		count[token]++
		op, known := appended[token]
		switch {
		case !known:
			d.breach(read.Return, lastNode(read), "%s reads %q in %s, which nobody appended", read.Client, token, key)
		case op.Outcome == load.Failed:
			d.breach(read.Return, lastNode(read), "%s reads %q in %s, whose append was refused at %s", read.Client, token, key, d.run.at(op.Return))
		case count[token] == 2:
			d.breach(read.Return, lastNode(read), "%s reads %q in %s twice (appended at %s, %d attempts)",
				read.Client, token, key, d.run.at(op.Call), len(op.Attempts))
		}
	}
	if !read.Final {
		return
	}
	for _, token := range sortedKeys(appended) {
		op := appended[token]
		if op.Outcome != load.OK {
			continue
		}
		d.saw(1)
		if count[token] == 0 {
			d.breach(read.Return, lastNode(read), "%q, acknowledged at %s, is missing in %s at the end", token, d.run.at(op.Return), key)
		}
	}
}
