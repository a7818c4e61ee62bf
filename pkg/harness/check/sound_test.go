package check

import (
	"fmt"
	"strings"
	"time"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

const second = int64(time.Second)

// tape writes one node's event log.
type tape struct {
	node   string
	inc    int
	seq    uint64
	term   uint64
	events []observe.Event
}

func (t *tape) add(at float64, e observe.Event) {
	t.seq++
	e.Seq, e.Inc, e.Node, e.Mono = t.seq, fmt.Sprintf("%s-%d", t.node, t.inc), t.node, int64(at*float64(second))
	if e.Term == 0 {
		e.Term = t.term
	}
	t.events = append(t.events, e)
}

// start begins an incarnation.
func (t *tape) start(at float64, term uint64, votedFor string, last, lastTerm uint64) {
	t.inc++
	t.seq, t.term = 0, term
	t.add(at, observe.Event{Event: observe.EventStart, VotedFor: votedFor, Last: last, LastTerm: lastTerm})
	t.role(at, "follower")
	t.conf(at, 0, true, "n1 n2 n3")
}

// conf tells of members: n1 votes, +n1 joins, -n1 leaves, ?n1 learns; "joint" stands before them.
func (t *tape) conf(at float64, index uint64, committed bool, members string) {
	c := parseMembers(members)
	t.add(at, observe.Event{Event: observe.EventConfiguration, Index: index, Committed: committed, Joint: c.joint, Members: c.members})
}

func parseMembers(text string) configuration {
	var c configuration
	for _, word := range strings.Fields(text) {
		suffrage := map[byte]string{'+': observe.Joining, '-': observe.Leaving, '?': observe.Learner}[word[0]]
		switch {
		case word == "joint":
			c.joint = true
		case suffrage == "":
			c.members = append(c.members, observe.Member{ID: word, Suffrage: observe.Voter})
		default:
			c.members = append(c.members, observe.Member{ID: word[1:], Suffrage: suffrage})
		}
	}
	return c
}

func (t *tape) role(at float64, role string) {
	t.add(at, observe.Event{Event: observe.EventRole, Role: role})
}

func (t *tape) vote(at float64, term uint64, candidate string) {
	t.term = term
	t.add(at, observe.Event{Event: observe.EventVote, Candidate: candidate, Granted: true})
}

func (t *tape) batch(at float64, name string, first uint64, marks ...observe.Mark) {
	e := observe.Event{Event: name, First: first, Last: first + uint64(len(marks)) - 1, Entries: marks}
	if name == observe.EventCommit {
		e.Role = "follower"
	}
	t.add(at, e)
}

// follow appends, commits and applies as a follower does.
func (t *tape) follow(at float64, first uint64, marks ...observe.Mark) {
	t.batch(at, observe.EventAppend, first, marks...)
	t.events[len(t.events)-1].Durable = true
	t.batch(at+0.01, observe.EventCommit, first, marks...)
	t.batch(at+0.02, observe.EventApply, first, marks...)
}

// lead does the same as a leader.
func (t *tape) lead(at float64, first uint64, marks ...observe.Mark) {
	t.batch(at, observe.EventAppend, first, marks...)
	t.add(at+0.001, observe.Event{Event: observe.EventDurable, First: first, Last: first + uint64(len(marks)) - 1})
	t.batch(at+0.01, observe.EventCommit, first, marks...)
	t.events[len(t.events)-1].Role = observe.RoleLeader
	t.batch(at+0.02, observe.EventApply, first, marks...)
}

// m is the entry of a term that everybody holds at some index.
func m(term, checksum uint64) observe.Mark { return observe.Mark{term, checksum} }

// soundRun is twenty seconds of three nodes: n1 leads term 1, is killed at 8 s and back at 10 s; n2 leads term 2 from
// 9 s on. Six entries: two no-ops, and the four writes of the history.
//
//	index   1      2           3            4      5           6
//	entry   noop   put r0=v1   append t1;   noop   cas r0=v2   append t2;
func soundRun() *Run {
	run := &Run{
		Name: "sound", Seed: 1, Nodes: []string{"n1", "n2", "n3"}, T: 600 * time.Millisecond, HeartbeatInterval: 120 * time.Millisecond,
		Start: 0, End: 20 * second, Events: map[string][]observe.Event{}, Samples: map[string][]observe.Sample{},
		Faults: []Fault{{
			Name: "crash", Kind: FaultKill, Target: "leader", Nodes: []string{"n1"}, From: 8 * second, To: 10 * second,
			Effect: map[string]float64{"leaders": 1}, MinEffect: map[string]float64{"leaders": 1},
		}},
		Expect: Expectations{MinOK: map[load.Kind]int{load.Append: 2}},
		Logs:   map[string]Log{},
	}
	soundEvents(run)
	soundSamples(run)
	soundHistory(run)
	for _, node := range run.Nodes {
		run.Logs[node] = logOf(1, m(1, 1), m(1, 2), m(1, 3), m(2, 4), m(2, 5), m(2, 6))
	}
	return run
}

// logOf is a final log.
func logOf(first uint64, marks ...observe.Mark) Log {
	log := Log{First: first}
	for i, mark := range marks {
		log.Entries = append(log.Entries, LogEntry{Index: first + uint64(i), Term: mark.Term(), Checksum: uint32(mark.Checksum())})
	}
	return log
}

func soundEvents(run *Run) {
	n1, n2, n3 := &tape{node: "n1"}, &tape{node: "n2"}, &tape{node: "n3"}
	for _, n := range []*tape{n1, n2, n3} {
		n.start(0.1, 0, "", 0, 0)
	}
	n1.term = 1
	n1.role(1, "candidate")
	for _, n := range []*tape{n1, n2, n3} {
		n.vote(1.1, 1, "n1")
	}
	n1.role(1.2, observe.RoleLeader)
	n1.lead(1.3, 1, m(1, 1))
	n1.lead(2, 2, m(1, 2), m(1, 3))
	for _, n := range []*tape{n2, n3} {
		n.follow(1.3, 1, m(1, 1))
		n.follow(2, 2, m(1, 2), m(1, 3))
	}
	n2.term = 2
	n2.role(8.8, "candidate")
	n2.vote(8.9, 2, "n2")
	n3.vote(8.9, 2, "n2")
	n2.role(9, observe.RoleLeader)
	n2.lead(9.1, 4, m(2, 4))
	n3.follow(9.1, 4, m(2, 4))
	n1.start(10, 1, "n1", 3, 1)
	n1.term = 2
	n1.add(10.1, observe.Event{Event: observe.EventLeader, Leader: "n2"})
	n1.batch(10.2, observe.EventAppend, 4, m(2, 4))
	n1.events[len(n1.events)-1].Durable = true
	n1.batch(10.3, observe.EventCommit, 1, m(1, 1), m(1, 2), m(1, 3), m(2, 4))
	n1.batch(10.4, observe.EventApply, 1, m(1, 1), m(1, 2), m(1, 3), m(2, 4))
	n2.lead(12, 5, m(2, 5), m(2, 6))
	n1.follow(12, 5, m(2, 5), m(2, 6))
	n3.follow(12, 5, m(2, 5), m(2, 6))
	for _, n := range []*tape{n1, n2, n3} {
		n.add(20.5, observe.Event{Event: observe.EventStop, Reason: "told to"})
		run.Events[n.node] = n.events
	}
}

// soundSamples scrapes every 200 ms. A leader sends each peer 8 heartbeats a second.
func soundSamples(run *Run) {
	sent := map[string]float64{}
	for tick := range 100 {
		at := float64(tick)*0.2 + 0.3
		mono := int64(at * float64(second))
		for i, node := range run.Nodes {
			sample := observe.Sample{Node: node, Mono: mono, ScrapeDuration: 5 * time.Millisecond}
			if node == "n1" && at >= 8 && at < 10 {
				sample.Err = "connection refused"
			} else {
				sample.Start, sample.Series = soundSeries(node, at, sent)
			}
			run.Samples[node] = append(run.Samples[node], sample)
			_ = i
		}
		proxy := observe.Sample{Node: "proxy", Mono: mono + second/100, ScrapeDuration: 5 * time.Millisecond, Start: 50, Series: map[string]float64{}}
		for link, n := range sent {
			proxy.Series[observe.Key("chaosproxy_watch_frames_total", "link", link, "watch", "heartbeat")] = n
			proxy.Series[observe.Key("chaosproxy_connections_total", "link", link, "result", "accepted")] = 1
			proxy.Series[observe.Key("chaosproxy_connections", "link", link)] = 1
		}
		run.Proxy = append(run.Proxy, proxy)
	}
}

func soundSeries(node string, at float64, sent map[string]float64) (float64, map[string]float64) {
	start, leads, term, won := 100.0, false, 0.0, 0.0
	commit := map[bool]float64{true: 1, false: 0}[at >= 1.4]
	switch {
	case at >= 12.1:
		commit = 6
	case at >= 9.2:
		commit = 4
	case at >= 2.1:
		commit = 3
	}
	if at >= 1.2 {
		term = 1
	}
	if at >= 10.2 || at >= 9 && node != "n1" {
		term = 2
	}
	switch {
	case node == "n1" && at >= 10:
		start = 110
		if at < 10.4 {
			commit = 0
		}
	case node == "n1" && at >= 1.2:
		leads, won = true, 1
	case node == "n2" && at >= 9:
		leads, won = true, 2
	}
	series := map[string]float64{
		"raft_monotonic_seconds": at - start/1000, "raft_term": term, "raft_last_won_term": won,
		"raft_commit_index": commit, "raft_applied_index": commit, "raft_last_log_index": max(commit, 1),
		observe.Key("raft_role", "role", observe.RoleLeader): map[bool]float64{true: 1, false: 0}[leads],
	}
	if start == 110 {
		series["raft_monotonic_seconds"] = at - 10
	}
	for _, peer := range []string{"n1", "n2", "n3"} {
		link := node + "->" + peer
		if peer == node {
			continue
		}
		n := 0.0
		switch {
		case node == "n1" && start == 100:
			n = float64(int(max(0, at-1.2) * 8))
			sent[link] = n
		case node == "n2":
			n = float64(int(max(0, at-9) * 8))
			sent[link] = n
		case node == "n3":
			sent[link] = 0
		}
		series[observe.Key("raft_heartbeats_sent_total", "peer", peer)] = n
	}
	return start, series
}

// ok makes an answered operation of one attempt.
func ok(id int, client string, kind load.Kind, key string, from, to float64) load.Operation {
	op := load.Operation{
		ID: id, Client: client, Kind: kind, Key: key, Session: client, Seq: uint64(id),
		Call: int64(from * float64(second)), Return: int64(to * float64(second)), Outcome: load.OK,
	}
	op.Attempts = []load.Attempt{{Node: "n2", URL: "http://n2", Call: op.Call, Return: op.Return, Status: 200, Outcome: load.OK}}
	return op
}

func wrote(op load.Operation, input string, index, term uint64) load.Operation {
	op.Input, op.Index, op.Revision, op.Term = input, index, index, term
	op.Swapped = op.Kind == load.CAS
	return op
}

func readOf(op load.Operation, output string, revision uint64) load.Operation {
	op.Output, op.Found, op.Revision = output, revision != 0, revision
	return op
}

func soundHistory(run *Run) {
	cas := wrote(ok(6, "c1", load.CAS, "r0", 11.9, 12.1), "v2", 5, 2)
	cas.Expect = 2
	history := []load.Operation{
		wrote(ok(1, "c1", load.Put, "r0", 1.9, 2.1), "v1", 2, 1),
		wrote(ok(2, "c2", load.Append, "a0", 1.9, 2.1), "t1;", 3, 1),
		readOf(ok(3, "c1", load.Get, "r0", 3, 3.1), "v1", 2),
		readOf(ok(4, "c2", load.Get, "a0", 3, 3.1), "t1;", 3),
		readOf(ok(5, "c2", load.Get, "r9", 3.2, 3.3), "", 0),
		cas,
		wrote(ok(7, "c2", load.Append, "a0", 11.9, 12.1), "t2;", 6, 2),
		readOf(ok(8, "f1", load.Get, "r0", 19, 19.1), "v2", 5),
		readOf(ok(9, "f1", load.Get, "a0", 19, 19.1), "t1;t2;", 6),
		readOf(ok(10, "f1", load.Get, "r9", 19, 19.1), "", 0),
	}
	for i := range history {
		history[i].Final = history[i].Client == "f1"
	}
	run.History = history
}
