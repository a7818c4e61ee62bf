package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

// faults does to a cluster what a plan says, and ends it again.
type faults struct {
	r     *run
	over  bool     // the cluster is being healed: nothing new begins
	ends  []func() // of those in force, by when they began
	wiped *server  // lost its disk and is still a member under its old directory
}

func newFaults(r *run) faults { return faults{r: r} }

// strike lets one fault happen.
func (f *faults) strike(fault Fault) {
	target, other := f.find(fault.Target), f.find(fault.Other)
	if f.over || target == nil || other == nil {
		return
	}
	f.r.counts["fault "+string(fault.Kind)]++
	f.r.counts["faults"]++
	switch fault.Kind {
	case Kill, Power:
		f.crash(target, fault)
	case FailSync:
		target.disk.failSync, target.disk.again = true, fault.For
		f.tell("%s %s", fault.Kind, target.id)
	case StallDisk:
		target.disk.stalledTo = f.r.now + fault.For
		f.tell("%s %s for %v", fault.Kind, target.id, fault.For)
	case Pause:
		f.pause(target, fault.For)
	case Snapshot:
		if target.up && !target.paused {
			target.takeSnapshot()
		}
	case Transfer:
		f.transfer(other)
	case Members:
		f.changeMembers(rand.New(rand.NewPCG(fault.Pick, 1)))
	case Remove:
		f.remove(other)
	case Flip:
		f.flip(target, rand.New(rand.NewPCG(fault.Pick, 4)))
	case Wipe:
		f.wipe(target)
	default:
		f.disturb(fault, target, other)
	}
}

// find is the server that a target means; nil: there is none.
func (f *faults) find(t Target) *server {
	if t.Leader {
		return f.r.leader()
	}
	return f.r.servers[t.Node%len(f.r.servers)]
}

// leader is the live leader of the latest term; nil if there is none.
func (r *run) leader() *server {
	var leader *server
	for _, s := range r.servers {
		if s.up && s.Role() == protocol.Leader && (leader == nil || s.Term() > leader.Term()) {
			leader = s
		}
	}
	return leader
}

func (f *faults) tell(format string, args ...any) {
	f.r.tell(Faulted, "", func() string { return fmt.Sprintf(format, args...) })
}

// lasting begins a fault that ends by itself, or when the cluster is healed.
func (f *faults) lasting(d time.Duration, text string, begin, end func()) {
	begin()
	f.tell("%s", text)
	i := len(f.ends)
	f.ends = append(f.ends, func() {
		f.ends[i] = nil
		end()
		f.tell("%s ends", text)
	})
	f.r.after(d, func() { f.end(i) })
}

func (f *faults) end(i int) {
	if end := f.ends[i]; end != nil {
		end()
	}
}

// crash ends a process, at once or in the middle of one of its next changes of the disk, and starts it again.
func (f *faults) crash(s *server, fault Fault) {
	if s.up && fault.Step > 0 {
		s.disk.crash, s.disk.crashIn = fault.Kind, fault.Step
		life := s.life
		f.r.after(min(fault.For, 300*time.Millisecond), func() {
			if s.life == life && s.up && !f.over {
				s.fall(fault.Kind)
			}
		})
	} else if s.up {
		s.fall(fault.Kind)
	}
	f.r.after(fault.For, func() {
		if fault.Step > 0 && fault.Pick%4 == 0 && !s.up && !f.over { // once more, while it recovers or soon after
			s.disk.crash, s.disk.crashIn = fault.Kind, 1+int(fault.Pick>>8%8)
			f.r.after(fault.For+time.Second, s.start)
		}
		s.start()
	})
}

// pause lets a process stand still. What reaches it meanwhile it finds in any order.
func (f *faults) pause(s *server, d time.Duration) {
	if !s.up || s.paused {
		return
	}
	life := s.life
	f.lasting(d, fmt.Sprintf("pause %s", s.id), func() { s.paused = true }, func() {
		if s.life != life || !s.paused {
			return
		}
		s.paused = false
		inbox := s.inbox
		s.inbox = nil
		s.rand.Shuffle(len(inbox), func(i, j int) { inbox[i], inbox[j] = inbox[j], inbox[i] })
		for _, do := range inbox {
			f.r.after(upTo(s.rand, time.Millisecond), do)
		}
	})
}

// disturb begins a fault of the network.
func (f *faults) disturb(fault Fault, target, other *server) {
	n := &f.r.network
	text := fmt.Sprintf("%s %s", fault.Kind, target.id)
	both := func(a, b *server, by int) {
		n.block(a.id, b.id, by)
		n.block(b.id, a.id, by)
	}
	var set func(by int)
	switch fault.Kind {
	case Cut:
		text += " " + string(other.id)
		set = func(by int) { both(target, other, by) }
	case OneWay:
		text += " to " + string(other.id)
		set = func(by int) { n.block(target.id, other.id, by) }
	case Isolate:
		set = func(by int) {
			for _, s := range f.r.servers {
				both(target, s, by)
			}
		}
	case Deafen:
		set = func(by int) { n.deaf[target.id] += by }
	case Slow:
		set = func(by int) { n.slow[target.id] += by }
	case Split, Bridge:
		sides := f.sides(fault.Pick)
		text = fmt.Sprintf("%s %s", fault.Kind, f.sidesText(sides, target, fault.Kind == Bridge))
		set = func(by int) {
			for i, a := range f.r.servers {
				for j, b := range f.r.servers[:i] {
					shared := fault.Kind == Bridge && (a == target || b == target)
					if sides[i] != sides[j] && !shared {
						both(a, b, by)
					}
				}
			}
		}
	}
	f.lasting(fault.For, text, func() { set(1) }, func() { set(-1) })
}

// sides puts each node on one of two.
func (f *faults) sides(pick uint64) []int {
	r := rand.New(rand.NewPCG(pick, 2))
	sides := make([]int, len(f.r.servers))
	for i, at := range r.Perm(len(sides)) {
		sides[at] = i % 2
	}
	if r.IntN(2) == 0 {
		for i := range sides {
			sides[i] = r.IntN(2)
		}
	}
	return sides
}

// sidesText names who is on which side, and who on both.
func (f *faults) sidesText(sides []int, shared *server, bridge bool) string {
	var names [2][]string
	for i, s := range f.r.servers {
		if !bridge || s != shared {
			names[sides[i]] = append(names[sides[i]], string(s.id))
		}
	}
	text := strings.Join(names[0], " ") + " | " + strings.Join(names[1], " ")
	if bridge {
		text += ", over " + string(shared.id)
	}
	return text
}

func (f *faults) transfer(to *server) {
	leader := f.r.leader()
	if leader == nil || leader.paused {
		return
	}
	f.tell("transfer %s to %s", leader.id, to.id)
	leader.input(func(now time.Time) protocol.Output {
		out, _ := leader.Transfer(now, to.id)
		return out
	})
}
