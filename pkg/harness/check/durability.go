package check

import (
	"context"

	"whitewater/pkg/harness/load"
)

// durability: no acknowledged write is lost. Three witnesses, each enough for a fail:
//
//   - the final reads: a key's revision is not below that of any acknowledged write to it;
//   - the final logs: the position that a write was acknowledged with stands in the durable logs of a majority of the members
//     at the end, or below their beginnings, where a snapshot covers it, if that very position was committed;
//   - restarts: a process finds at least the entries that its predecessor told were durable, and a log that begins
//     where the predecessor said, or behind that as far as a kill can have taken the event.
//
// Writes of unknown outcome may be there or not. A node whose disk was wiped begins anew. A node's log may end early or have another tail, as
// long as a majority holds what was acknowledged. What a snapshot holds is for the final reads to show.
func durability(_ context.Context, run *Run) Finding {
	d := newDocket(run, "durability")
	d.finalReads()
	d.finalLogs()
	d.restarts()
	return d.conclude("no write was acknowledged", "%d acknowledged writes are in the final state and in the final logs", d.seen)
}

// effective reports whether the operation is an acknowledged write that changed its key.
func effective(op load.Operation) bool {
	if op.Outcome != load.OK {
		return false
	}
	switch op.Kind {
	case load.Put, load.Append:
		return true
	case load.CAS:
		return op.Swapped
	case load.Delete:
		return op.Found
	}
	return false
}

// keyHistory is what decides whether a key's end is explained.
type keyHistory struct {
	last     load.Operation // the acknowledged write of the highest position
	written  bool
	deletion bool // some deletion may have come last
	final    load.Operation
	read     bool
}

func (d *docket) finalReads() {
	keys := map[string]*keyHistory{}
	for _, op := range d.run.History {
		k := keys[op.Key]
		if k == nil {
			k = &keyHistory{}
			keys[op.Key] = k
		}
		switch {
		case op.Final && op.Outcome == load.OK:
			k.final, k.read = op, true
		case effective(op) && (!k.written || op.Index > k.last.Index):
			k.last, k.written = op, true
		}
	}
	for _, op := range d.run.History {
		if k := keys[op.Key]; op.Kind == load.Delete && (op.Outcome == load.Unknown || op.ID == k.last.ID) {
			k.deletion = true
		}
	}
	for _, key := range sortedKeys(keys) {
		d.finalRead(key, keys[key])
	}
}

func (d *docket) finalRead(key string, k *keyHistory) {
	if !k.written {
		return
	}
	switch {
	case !k.read:
		d.doubt("no final read of %s, which was written", key)
	case !k.final.Found && !k.deletion:
		d.breach(k.final.Return, lastNode(k.final), "%s is gone at the end; %s was acknowledged at %s and nobody deleted it since",
			key, describe(k.last), d.run.at(k.last.Return))
	case k.final.Found && k.final.Revision != 0 && k.final.Revision < k.last.Index:
		d.breach(k.final.Return, lastNode(k.final), "%s is at revision %d at the end; %s was acknowledged later, as entry %d, at %s",
			key, k.final.Revision, describe(k.last), k.last.Index, d.run.at(k.last.Return))
	}
}
