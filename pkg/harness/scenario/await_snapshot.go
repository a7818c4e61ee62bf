package scenario

import (
	"fmt"
	"slices"

	"whitewater/pkg/harness/cluster"
)

// snapshotWishes lists what an await waits for of snapshots and compacted logs.
func snapshotWishes(a *Await, since cluster.Snapshot, nodes func(*Selector) []string) []wish {
	var all []wish
	add := func(owed bool, of *Selector, what string, met func(v, before cluster.View) bool) {
		if of == nil {
			return
		}
		set := nodes(of)
		all = append(all, wish{of.String() + " " + what, owed, func(s cluster.Snapshot) bool {
			return !slices.ContainsFunc(set, func(n string) bool { return !met(s.Views[n], since.Views[n]) })
		}})
	}
	if c := a.Compacted; c != nil {
		past := nodes(c.Past)
		of := nodes(c.Of)
		all = append(all, wish{fmt.Sprintf("%s beginning their logs behind the end of %s", c.Of, c.Past), false, func(s cluster.Snapshot) bool {
			return !slices.ContainsFunc(of, func(n string) bool { return s.Views[n].Begins <= lastOf(past, s) })
		}})
	}
	add(false, a.Snapshot, "taking a snapshot", func(v, before cluster.View) bool { return v.Snapshots > before.Snapshots })
	add(false, a.Receiving, "receiving a part of a snapshot", func(v, _ cluster.View) bool { return v.Receives })
	// The file says that nothing else brings them back: it waited until the others' logs began behind theirs.
	add(true, a.Installed, "installing a snapshot", func(v, before cluster.View) bool { return v.Installs > before.Installs })
	return all
}

// lastOf is the highest log end among nodes.
func lastOf(nodes []string, s cluster.Snapshot) uint64 {
	last := uint64(0)
	for _, n := range nodes {
		last = max(last, s.Views[n].Last)
	}
	return last
}
