package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// TestPause: what reaches a node that stands still waits, and is handled once it goes on.
func TestPause(t *testing.T) {
	w := newWire(t, brief)
	w.faults.strike(Fault{Kind: Pause, Target: Target{Node: 1}, For: 200 * time.Millisecond})
	w.ask("n1", "n2")
	if got := w.took(199 * time.Millisecond); len(got) > 0 {
		t.Errorf("standing still: %q", got)
	}
	want := []string{"delivered n1 n2 ConfirmLeader", "delivered n2 n1 confirmed"}
	if got := w.took(50 * time.Millisecond); !slices.Equal(got, want) {
		t.Errorf("going on: %q, want %q", got, want)
	}
	w.asks(t, "n1", "n2", want...)
}

// TestPause_Dies: what waited for a process that dies meanwhile reaches no later one, and what ends the pause leaves the
// next process alone.
func TestPause_Dies(t *testing.T) {
	w := newWire(t, brief)
	w.faults.strike(Fault{Kind: Pause, Target: Target{Node: 1}, For: 200 * time.Millisecond})
	w.ask("n1", "n2")
	w.took(100 * time.Millisecond)
	s := w.byID["n2"]
	s.stop("a restart")
	s.start()
	s.paused = true // for a reason of its own
	if got := w.took(200 * time.Millisecond); len(got) > 0 || !s.paused {
		t.Errorf("%q; stands still: %t", got, s.paused)
	}
}

// TestCrash_Step: a kill that is to come at a change of the disk comes there, or when its time is up.
func TestCrash_Step(t *testing.T) {
	for step, most := range map[int]time.Duration{0: 0, 1: 200 * time.Millisecond, 1 << 20: 300 * time.Millisecond} {
		r := stage(t, quiet(), 3*time.Second)
		s := follower(r)
		struck := r.now
		r.faults.strike(Fault{Kind: Kill, Target: Target{Node: s.index}, Step: step, For: time.Second, Pick: 1})
		r.advance(10*time.Second, func() bool { return !s.up })
		if took := r.now - struck; took > most {
			t.Errorf("step %d: the process lived %v", step, took)
		}
		r.advance(10*time.Second, func() bool { return s.up })
		if took := r.now - struck; took != time.Second {
			t.Errorf("step %d: the next began after %v", step, took)
		}
	}
}

// TestCrash_Recovering: some of those die once more while they recover, or soon after, and come back all the same.
func TestCrash_Recovering(t *testing.T) {
	r := stage(t, quiet(), 3*time.Second)
	s := follower(r)
	life := s.life
	r.faults.strike(Fault{Kind: Power, Target: Target{Node: s.index}, Step: 1, For: time.Second, Pick: 0})
	if !r.advance(10*time.Second, func() bool {
		return s.up && s.life > life && r.now > 4*time.Second && r.counts["crashes while recovering"] > 0
	}) {
		t.Errorf("up: %t, %v", s.up, r.counts)
	}
}

// TestFaults_Network: each fault of the network cuts its links, and leaves none behind.
func TestFaults_Network(t *testing.T) {
	links := func(r *run) (cut []string) {
		for link, by := range r.network.cut {
			if by > 0 && link[0] != link[1] {
				cut = append(cut, string(link[0]+link[1]))
			}
		}
		slices.Sort(cut)
		return cut
	}
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{Fault{Kind: Cut, Target: Target{Node: 0}, Other: Target{Node: 2}}, "n1n3 n3n1"},
		{Fault{Kind: OneWay, Target: Target{Node: 0}, Other: Target{Node: 2}}, "n1n3"},
		{Fault{Kind: Isolate, Target: Target{Node: 1}}, "n1n2 n2n1 n2n3 n3n2"},
	} {
		r := stage(t, quiet(), 2*time.Second)
		c.fault.For = time.Second
		r.faults.strike(c.fault)
		if got := strings.Join(links(r), " "); got != c.want {
			t.Errorf("%s cuts %s, want %s", c.fault.Kind, got, c.want)
		}
		if r.advance(time.Second, never); len(links(r)) > 0 {
			t.Errorf("%s leaves %q cut", c.fault.Kind, links(r))
		}
	}
}

// TestFaults_Sides: a split and a bridge cut whom they part from each other in both directions; over a bridge two sides
// share one node.
func TestFaults_Sides(t *testing.T) {
	for pick := range uint64(20) {
		for _, kind := range []FaultKind{Split, Bridge} {
			r := stage(t, quiet(idle, func(p *Plan) { p.Nodes = 5 }), 0)
			r.faults.strike(Fault{Kind: kind, Target: Target{Node: 2}, Pick: pick, For: time.Second})
			sides := r.faults.sides(pick)
			for i, a := range r.servers {
				for j, b := range r.servers {
					parted := sides[i] != sides[j] && (kind == Split || i != 2 && j != 2)
					if cut := r.network.cut[[2]protocol.NodeID{a.id, b.id}] > 0; cut != parted {
						t.Fatalf("%s %d: %s to %s cut: %t, on sides %v", kind, pick, a.id, b.id, cut, sides)
					}
				}
			}
		}
	}
}

// TestFaults_Overlap: two faults on one link each end for themselves, and at the healing all end.
func TestFaults_Overlap(t *testing.T) {
	r := stage(t, quiet(idle), 2*time.Second)
	cut := func() int { return r.network.cut[[2]protocol.NodeID{"n1", "n2"}] }
	r.faults.strike(Fault{Kind: Isolate, Target: Target{Node: 0}, For: time.Second})
	r.faults.strike(Fault{Kind: OneWay, Target: Target{Node: 0}, Other: Target{Node: 1}, For: 2 * time.Second})
	if cut() != 2 {
		t.Errorf("cut %d times", cut())
	}
	if r.advance(1500*time.Millisecond, never); cut() != 1 {
		t.Errorf("then cut %d times", cut())
	}
	for i := range r.faults.ends {
		r.faults.end(i)
	}
	if r.advance(time.Second, never); cut() != 0 {
		t.Errorf("at last cut %d times", cut())
	}
}

// TestFaults_Over: once a cluster is being healed nothing new begins; nor does what has no target.
func TestFaults_Over(t *testing.T) {
	r := stage(t, quiet(idle), 0)
	r.faults.strike(Fault{Kind: Isolate, Target: Target{Leader: true}})
	r.faults.over = true
	r.faults.strike(Fault{Kind: Kill})
	if !r.servers[0].up || r.counts["faults"] > 0 || len(r.network.cut) > 0 {
		t.Errorf("something happened: %v", r.counts)
	}
}

// TestTransfer: the leader hands over to whom the fault names.
func TestTransfer(t *testing.T) {
	r := stage(t, quiet(), 3*time.Second)
	to := follower(r)
	r.faults.strike(Fault{Kind: Transfer, Other: Target{Node: to.index}})
	if !r.advance(time.Second, func() bool { return r.leader() == to }) {
		t.Errorf("%v leads", r.leader())
	}
}

// TestOperator_Replaces: a member that lost its disk comes back under another directory, is removed, and is added
// again; meanwhile no other loses its disk.
func TestOperator_Replaces(t *testing.T) {
	r := stage(t, quiet(func(p *Plan) { p.Tuning.SnapshotEntries, p.Tuning.SnapshotKeep = 5, -1 }), 4*time.Second)
	s := follower(r)
	before := s.directory
	r.faults.strike(Fault{Kind: Wipe, Target: Target{Node: s.index}})
	if r.faults.wiped != s || s.directory == before || s.LastIndex() != 0 || !s.up {
		t.Fatalf("wiped %v: directory %s, then %s", r.faults.wiped, before, s.directory)
	}
	r.faults.strike(Fault{Kind: Wipe, Target: Target{Node: r.leader().index}})
	if r.counts["disks lost"] != 1 {
		t.Error("two disks are lost at a time")
	}
	if !r.advance(10*time.Second, func() bool { return r.faults.wiped == nil }) {
		t.Fatalf("%v\n%s", r.failure, r.disagreement())
	}
	if !r.advance(30*time.Second, r.agree) {
		t.Fatalf("%v\n%s", r.failure, r.disagreement())
	}
	m, member := r.leader().Configuration().Member(s.id)
	if !member || m.Suffrage != protocol.Voter || m.Directory != s.directory || s.AppliedIndex() != r.leader().LastIndex() {
		t.Errorf("member: %t, %+v, its directory is %s\n%s", member, m, s.directory, r.standings())
	}
}

// TestOperator_Flip: a node whose log has rotted starts over it or gets another disk, and all agree in the end.
func TestOperator_Flip(t *testing.T) {
	refused := 0
	for pick := range uint64(12) {
		r := stage(t, quiet(), 4*time.Second)
		s := follower(r)
		r.faults.strike(Fault{Kind: Flip, Target: Target{Node: s.index}, Pick: pick})
		if r.counts["bits flipped"] != 1 {
			t.Fatal("nothing rots")
		}
		refused += r.counts["rot refused"]
		if !r.advance(30*time.Second, r.agree) || r.failure != nil {
			t.Fatalf("pick %d: %v\n%s", pick, r.failure, r.disagreement())
		}
	}
	if refused == 0 {
		t.Error("storage took every rotten log")
	}
}

// TestOperator_Members: what a plan asks for changes the members, never below two.
func TestOperator_Members(t *testing.T) {
	r := stage(t, quiet(idle, func(p *Plan) { p.Spares = 2 }), 3*time.Second)
	seen := map[string]bool{}
	for pick := range uint64(40) {
		r.faults.strike(Fault{Kind: Members, Pick: pick})
		r.advance(1500*time.Millisecond, never)
		if leader := r.leader(); leader != nil {
			config := leader.Configuration()
			seen[config.String()] = true
			if len(config.Members) < 2 {
				t.Fatalf("members %v", config)
			}
		}
	}
	if r.failure != nil {
		t.Fatal(r.failure.Message)
	}
	if len(seen) < 6 || r.counts["changes"] < 10 {
		t.Errorf("%d changes led to %v", r.counts["changes"], seen)
	}
}
