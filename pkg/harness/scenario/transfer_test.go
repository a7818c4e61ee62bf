package scenario

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
)

// isWrong and isStall tell the two sorts of failure of a transfer apart: a busy machine excuses the second.
func isWrong(err error) bool { _, ok := errors.AsType[*wrong](err); return ok }
func isStall(err error) bool { s, ok := errors.AsType[*stall](err); return ok && s.owed }

func TestTransfer_Answer(t *testing.T) {
	for _, c := range []struct {
		name   string
		to     string
		status int
		answer string
		sort   func(error) bool // nil: accepted
		leads  string
	}{
		{"the one named leads", "n2", 200, `{"leader":"n2","term":5}`, nil, "n2"},
		{"any leads", "", 200, `{"leader":"n3","term":5}`, nil, "n3"},
		{"another than the one named", "n2", 200, `{"leader":"n3","term":5}`, isStall, ""},
		{"the old one again", "", 200, `{"leader":"n1","term":6}`, isStall, ""},
		{"in the same term", "n2", 200, `{"leader":"n2","term":4}`, isWrong, ""},
		{"no JSON", "n2", 200, `done`, isWrong, ""},
		{"given up", "n2", http.StatusGatewayTimeout, `{"error":"timeout"}`, isStall, ""},
		{"the leader has changed", "n2", http.StatusTemporaryRedirect, ``, isStall, ""},
		{"refused", "n2", http.StatusBadRequest, `{"error":"bad_request"}`, isWrong, ""},
	} {
		tr := transferred{from: "n1", to: c.to, term: 4}
		err := tr.accepted(c.status, []byte(c.answer))
		if (c.sort == nil) != (err == nil) || c.sort != nil && !c.sort(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && tr.to != c.leads {
			t.Errorf("%s: %s leads, want %s", c.name, tr.to, c.leads)
		}
	}
}

func TestTransfer_OneElectionOnTheLeadersWord(t *testing.T) {
	for _, c := range []struct {
		name      string
		elections []cluster.Election
		preVote   bool
		ok        bool
	}{
		{"one", []cluster.Election{{Node: "n2", Term: 5}}, true, true},
		{"two", []cluster.Election{{Node: "n2", Term: 5}, {Node: "n2", Term: 6}}, true, false},
		{"of another", []cluster.Election{{Node: "n3", Term: 5}}, true, false},
		{"a term later", []cluster.Election{{Node: "n2", Term: 6}}, true, false},
		{"by a time-out", []cluster.Election{{Node: "n2", Term: 5, PreVote: true}}, true, false},
	} {
		tr := transferred{from: "n1", to: "n2", term: 4, preVote: c.preVote}
		if err := tr.elected(c.elections); (err == nil) != c.ok || err != nil && !isStall(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func write(term uint64, at time.Duration) load.Operation {
	return load.Operation{Kind: load.Put, Outcome: load.OK, Term: term, Return: int64(at)}
}

func TestTransfer_Outage(t *testing.T) {
	ms := time.Millisecond
	read := write(5, 130*ms)
	read.Kind = load.Get
	history := []load.Operation{
		write(4, 10*ms), write(4, 90*ms), write(4, 110*ms), read, write(5, 300*ms), write(5, 900*ms),
	}
	tr := transferred{from: "n1", to: "n2", term: 4, asked: int64(100 * ms), answered: int64(250 * ms)}
	if got := tr.outageIn(acknowledged(history)); got != 190*ms {
		t.Errorf("outage %v, want 190ms: from 110 to 300", got)
	}
	if got := tr.outageIn(acknowledged(history[:4])); got != math.MaxInt64 {
		t.Errorf("outage %v without a write of the new term", got)
	}
	tr.givenUp = true
	history = []load.Operation{write(4, 90*ms), write(4, 110*ms), write(4, 255*ms), write(4, 800*ms)}
	if got := tr.outageIn(acknowledged(history)); got != 145*ms {
		t.Errorf("outage %v of a transfer given up, want 145ms", got)
	}
}

func TestFindings_WhatAStarvedMachineExcuses(t *testing.T) {
	for name, late := range map[string]bool{findOutage: true, findTimeline: false} {
		r := &run{s: &Scenario{}, still: time.Second, late: map[string]bool{findOutage: true}}
		findings := []check.Finding{finding(name, check.Fail, 0)}
		r.excuse(findings)
		if got := findings[0].Verdict == check.Unknown; got != late {
			t.Errorf("%s excused: %v", name, got)
		}
	}
	for err, want := range map[error]check.Verdict{
		&wrong{"x"}:                   check.Fail,
		&stall{what: "x", owed: true}: check.Fail,
		&stall{what: "x"}:             check.Unknown,
		errors.New("x"):               check.Unknown,
	} {
		if got := verdictOf(err); got != want || isLate(err) != strings.Contains(err.Error(), "in vain") {
			t.Errorf("%v: verdict %s, late %v", err, got, isLate(err))
		}
	}
}

func TestSnapshotWishes(t *testing.T) {
	views := func(n1, n2, n3 cluster.View) cluster.Snapshot {
		return cluster.Snapshot{Views: map[string]cluster.View{"n1": n1, "n2": n2, "n3": n3}}
	}
	since := views(cluster.View{Installs: 1, Snapshots: 2}, cluster.View{}, cluster.View{Snapshots: 1})
	s := func(text string) *Selector { x := selector(t, text); return &x }
	for _, c := range []struct {
		name  string
		await Await
		now   cluster.Snapshot
		met   bool
	}{
		{"installed", Await{Installed: s("n1")}, views(cluster.View{Installs: 2}, cluster.View{}, cluster.View{}), true},
		{"installed before", Await{Installed: s("n1")}, views(cluster.View{Installs: 1}, cluster.View{}, cluster.View{}), false},
		{"installed by one of two", Await{Installed: s("[n1, n2]")}, views(cluster.View{Installs: 2}, cluster.View{}, cluster.View{}), false},
		{"a snapshot", Await{Snapshot: s("[n1, n3]")}, views(cluster.View{Snapshots: 3}, cluster.View{}, cluster.View{Snapshots: 2}), true},
		{"no new snapshot", Await{Snapshot: s("[n1, n3]")}, views(cluster.View{Snapshots: 3}, cluster.View{}, cluster.View{Snapshots: 1}), false},
		{"receiving", Await{Receiving: s("n2")}, views(cluster.View{}, cluster.View{Receives: true}, cluster.View{}), true},
		{"not receiving", Await{Receiving: s("n2")}, views(cluster.View{Receives: true}, cluster.View{}, cluster.View{}), false},
		{"compacted", Await{Compacted: &Compact{Of: s("[n1, n2]"), Past: s("n3")}}, views(cluster.View{Begins: 8}, cluster.View{Begins: 7}, cluster.View{Last: 6}), true},
		{"compacted up to its end", Await{Compacted: &Compact{Of: s("[n1, n2]"), Past: s("n3")}}, views(cluster.View{Begins: 8}, cluster.View{Begins: 6}, cluster.View{Last: 6}), false},
	} {
		nodes := func(s *Selector) []string {
			picked, err := s.pick(field{nodes: []string{"n1", "n2", "n3"}, eligible: []string{"n1", "n2", "n3"}})
			if err != nil {
				t.Fatal(err)
			}
			return picked
		}
		wishes := snapshotWishes(&c.await, since, nodes)
		if len(wishes) != 1 || wishes[0].met(c.now) != c.met {
			t.Errorf("%s: %d wishes, met %v", c.name, len(wishes), !c.met)
		}
		if wishes[0].owed != (c.await.Installed != nil) {
			t.Errorf("%s: owed %v", c.name, wishes[0].owed)
		}
	}
}
