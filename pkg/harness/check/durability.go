package check

import (
	"context"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// durability: no acknowledged write is lost. Three witnesses, each enough for a fail:
//
//   - the final reads: a key's revision is not below that of any acknowledged write to it;
//   - the final logs: the position that a write was acknowledged with stands in the durable logs of a majority;
//   - restarts: a process finds at least the entries that its predecessor told were durable.
//
// Writes of unknown outcome may be there or not. A node's log may end early or have another tail, as
// long as a majority holds what was acknowledged.
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

func (d *docket) finalLogs() {
	if len(d.run.Logs) == 0 {
		d.doubt("not observed: no node's final log")
		return
	}
	for _, op := range d.run.History {
		if !effective(op) || op.Index == 0 {
			continue
		}
		d.saw(1)
		holders, silent := 0, 0
		for _, node := range d.run.Nodes {
			log, told := d.run.Logs[node]
			switch {
			case !told:
				silent++
			case op.Index <= uint64(len(log)) && log[op.Index-1].Term == op.Term:
				holders++
			}
		}
		switch {
		case holders+silent < d.run.majority():
			d.breach(op.Return, lastNode(op), "%s was acknowledged as entry %d of term %d; only %d of %d final logs hold that entry",
				describe(op), op.Index, op.Term, holders, len(d.run.Logs))
		case holders < d.run.majority():
			d.doubt("%d final logs are missing, so whether a majority holds entry %d is not known", silent, op.Index)
			return
		}
	}
}

// restarts compares what each process recovered with what the one before had told was durable.
func (d *docket) restarts() {
	for _, node := range d.run.Nodes {
		var log nodeLog
		durable := uint64(0)
		for _, e := range d.run.Events[node] {
			switch {
			case e.Event == observe.EventStart:
				d.recovered(&log, durable, e)
				durable = e.Last
			case e.Event == observe.EventAppend && e.Durable, e.Event == observe.EventDurable:
				durable = max(durable, e.Last)
			case e.Event == observe.EventTruncate:
				durable = min(durable, max(e.From, 1)-1)
			}
			log.follow(e)
		}
	}
}

func (d *docket) recovered(log *nodeLog, durable uint64, e observe.Event) {
	if e.Last < durable {
		d.breach(e.Mono, e.Node, "%s restarted with a log of %d entries; its predecessor told that %d were durable (incarnation %s)",
			e.Node, e.Last, durable, e.Inc)
		return
	}
	if held := log.at(e.Last); e.Last > 0 && e.Last <= durable && held.known && held.mark.Term() != e.LastTerm {
		d.breach(e.Mono, e.Node, "%s restarted with entry %d of term %d; its predecessor had told of term %d (incarnation %s)",
			e.Node, e.Last, e.LastTerm, held.mark.Term(), e.Inc)
	}
}
