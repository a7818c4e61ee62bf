package check

// keptLog is a node's log at the end, with what its events told of it.
type keptLog struct {
	final     Log
	told      nodeLog
	explained bool // the log begins where some event said
	committed map[uint64]application
}

// holds reports whether an entry stands in the log, or was committed and lies below its beginning. There the node's
// own account, as far as it goes, must agree.
func (k *keptLog) holds(index, term uint64) bool {
	if index >= k.final.First {
		e, held := k.final.at(index)
		return held && e.Term == term
	}
	own, agreed := k.told.at(index), k.committed[index]
	return k.explained && agreed.mark.Term() == term && (!own.known || own.mark.Term() == term)
}

// keptLogs are the final logs, by node.
func (d *docket) keptLogs() map[string]*keptLog {
	committed := d.run.applications()
	kept := map[string]*keptLog{}
	for _, node := range d.run.Nodes {
		final, fetched := d.run.Logs[node]
		if !fetched {
			continue
		}
		k := &keptLog{final: final, committed: committed, explained: final.First <= 1}
		for _, e := range d.run.Events[node] {
			k.told.follow(e)
			k.explained = k.explained || k.told.begins+1 == final.First
		}
		if !k.explained {
			d.breach(0, node, "the final log of %s begins with entry %d; no snapshot or install that it told of lets it begin there", node, final.First)
		}
		kept[node] = k
	}
	return kept
}

// finalLogs asks the logs of the members at the end for each acknowledged position: each leader since has carried it over.
func (d *docket) finalLogs() {
	if len(d.run.Logs) == 0 {
		d.doubt("not observed: no node's final log")
		return
	}
	kept, last := d.keptLogs(), d.run.lastConfiguration()
	for _, op := range d.run.History {
		if !effective(op) || op.Index == 0 {
			continue
		}
		d.saw(1)
		holders := map[string]bool{}
		for node, k := range kept {
			holders[node] = k.holds(op.Index, op.Term)
		}
		switch {
		case last.majority(func(node string) bool { return holders[node] }):
		case last.majority(func(node string) bool { return holders[node] || kept[node] == nil }):
			d.doubt("%d final logs are missing, so whether a majority holds entry %d is not known", len(d.run.Nodes)-len(kept), op.Index)
			return
		default:
			d.breach(op.Return, lastNode(op), "%s was acknowledged as entry %d of term %d; only %d of %d final logs hold that entry, and these are no majority of the members, %v",
				describe(op), op.Index, op.Term, trues(holders), len(kept), last)
		}
	}
}

func trues(of map[string]bool) int {
	n := 0
	for _, is := range of {
		if is {
			n++
		}
	}
	return n
}
