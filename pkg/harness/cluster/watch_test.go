package cluster

import (
	"testing"

	"whitewater/pkg/harness/observe"
)

func TestView_FollowsSnapshots(t *testing.T) {
	var v View
	for i, c := range []struct {
		e                    observe.Event
		begins, last, commit uint64
		receives             bool
	}{
		{observe.Event{Event: observe.EventStart, First: 4, Last: 9}, 3, 9, 3, false},
		{observe.Event{Event: observe.EventCommit, First: 7, Last: 9}, 3, 9, 9, false},
		{observe.Event{Event: observe.EventSnapshot, First: 6, Last: 8}, 6, 9, 9, false},
		{observe.Event{Event: observe.EventCreate, File: "snap/saving"}, 6, 9, 9, false},
		{observe.Event{Event: observe.EventCreate, File: receiving}, 6, 9, 9, true},
		{observe.Event{Event: observe.EventRename, File: receiving, To: "snap/30"}, 6, 9, 9, false},
		{observe.Event{Event: observe.EventInstall, Last: 30}, 30, 30, 30, false},
		{observe.Event{Event: observe.EventAppend, First: 31, Last: 33}, 30, 33, 30, false},
		{observe.Event{Event: observe.EventCreate, File: receiving}, 30, 33, 30, true},
		{observe.Event{Event: observe.EventStart, First: 31, Last: 33}, 30, 33, 30, false},
	} {
		v.step(c.e)
		if v.Begins != c.begins || v.Last != c.last || v.Commit != c.commit || v.Receives != c.receives {
			t.Errorf("after event %d (%s): %+v", i+1, c.e.Event, v)
		}
	}
	if v.Snapshots != 1 || v.Installs != 1 || v.Starts != 2 {
		t.Errorf("counted %+v", v)
	}
}

// An election on a leader's word is told from one by a time-out.
func TestWatcher_Elections(t *testing.T) {
	w := &watcher{views: map[string]View{}, changed: make(chan struct{})}
	for _, e := range []observe.Event{
		{Node: "n1", Event: observe.EventRole, Role: "pre_candidate", OldRole: "follower"},
		{Node: "n1", Event: observe.EventRole, Role: "candidate", OldRole: "pre_candidate", Term: 1},
		{Node: "n1", Event: observe.EventRole, Role: observe.RoleLeader, OldRole: "candidate", Term: 1},
		{Node: "n2", Event: observe.EventRole, Role: "candidate", OldRole: "follower", Term: 2},
		{Node: "n2", Event: observe.EventRole, Role: observe.RoleLeader, OldRole: "candidate", Term: 2},
	} {
		w.apply(e)
	}
	if s, _, _ := w.snapshot(); len(s.Elections) != 2 || !s.Elections[0].PreVote || s.Elections[1].PreVote {
		t.Errorf("elections %+v", s.Elections)
	}
}
