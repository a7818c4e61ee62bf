package lab

import (
	"fmt"
	"time"
)

// leader is the suite's checkOneLeader: within ten rounds of half a second a connected server leads, and no two lead
// one term. The leader of the highest term is returned.
func (s *suite) leader() int {
	s.t.Helper()
	for range 10 {
		s.sleep(450*time.Millisecond + s.milliseconds(100))
		leaders, highest := map[int]int{}, 0
		for i := range s.n {
			if term, leads := s.state(i); leads && s.connected(i) {
				if other, ok := leaders[term]; ok {
					s.t.Fatalf("servers %d and %d both lead term %d", other, i, term)
				}
				leaders[term], highest = i, max(highest, term)
			}
		}
		if leader, ok := leaders[highest]; ok {
			s.settle()
			return leader
		}
	}
	s.t.Fatal("nobody leads")
	return 0
}

// settle notes that a leader was seen: without faults it stays.
func (s *suite) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.settled == 0 {
		s.settled = s.judge.leaderships()
	}
}

// noLeader checks that no connected server takes itself for a leader.
func (s *suite) noLeader() {
	s.t.Helper()
	for i := range s.n {
		if _, leads := s.state(i); leads && s.connected(i) {
			s.t.Fatalf("server %d leads without a majority", i)
		}
	}
}

// terms checks that all connected servers are in one term, and returns it.
func (s *suite) terms() int {
	s.t.Helper()
	term := -1
	for i := range s.n {
		if own, _ := s.state(i); s.connected(i) {
			if term != -1 && own != term {
				s.t.Fatalf("server %d is in term %d, another in %d", i, own, term)
			}
			term = own
		}
	}
	return term
}

// state is a server's own view; a crashed one has none.
func (s *suite) state(i int) (term int, leads bool) {
	if rf := s.live(i); rf != nil {
		return rf.GetState()
	}
	return 0, false
}

// offer gives a command to a server, connected or not.
func (s *suite) offer(i int, command any) (index, term int, took bool) {
	rf := s.live(i)
	if rf == nil {
		return 0, 0, false
	}
	began := time.Now()
	index, term, took = rf.Start(command)
	if took {
		s.record.took(command)
	}
	if waited := time.Since(began); waited > 0 {
		s.t.Errorf("Start waited %v", waited)
	}
	return index, term, took
}

// lead offers a command to a server that must take it.
func (s *suite) lead(i int, command any) (index, term int) {
	s.t.Helper()
	index, term, took := s.offer(i, command)
	if !took {
		s.t.Fatalf("server %d leads and refused a command", i)
	}
	return index, term
}

// committed tells how many servers have applied something at index, and what.
func (s *suite) committed(index int) (int, any) {
	s.t.Helper()
	count, command, err := s.record.at(index)
	if err != nil {
		s.t.FailNow() // told when it happened
	}
	return count, command
}

// nobodyApplied checks that an index is empty.
func (s *suite) nobodyApplied(index int) {
	s.t.Helper()
	if count, command := s.committed(index); count > 0 {
		s.t.Fatalf("%d servers applied %v at index %d", count, command, index)
	}
}

// await waits, half a minute at most, until count servers have applied index, and returns what. Once a server is in
// a later term than term it gives up and returns nil; term 0: no matter.
func (s *suite) await(index, count, term int) any {
	s.t.Helper()
	pause := 10 * time.Millisecond
	for range 30 {
		got, command := s.committed(index)
		if got >= count {
			return command
		}
		for i := range s.n {
			if own, _ := s.state(i); term != 0 && own > term {
				return nil
			}
		}
		s.sleep(pause)
		pause = min(2*pause, 1280*time.Millisecond)
	}
	got, _ := s.committed(index)
	s.t.Fatalf("%d servers applied index %d, want %d", got, index, count)
	return nil
}

// agree has a fresh command agreed on by count servers, and offers it again if that takes too long.
func (s *suite) agree(count int) int { s.t.Helper(); return s.one(s.command(), count, true) }

// agreeAtOnce has a fresh command agreed on by count servers within two seconds of the first offer that is taken.
func (s *suite) agreeAtOnce(count int) int { s.t.Helper(); return s.one(s.command(), count, false) }

func (s *suite) one(command any, count int, retry bool) int {
	s.t.Helper()
	index, err := s.try(command, count, retry)
	if err != nil {
		s.t.Fatal(err)
	}
	return index
}

// try is the suite's one: for ten seconds it offers command to whoever leads, and waits up to two seconds until
// count servers have applied it at the index that was promised, which it returns.
func (s *suite) try(command any, count int, retry bool) (int, error) {
	next := 0
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && !s.over(); {
		index, took := 0, false
		for range s.n {
			next = (next + 1) % s.n
			if s.connected(next) {
				if index, _, took = s.offer(next, command); took {
					break
				}
			}
		}
		if !took {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		for patience := time.Now().Add(2 * time.Second); time.Now().Before(patience); time.Sleep(20 * time.Millisecond) {
			got, value, err := s.record.at(index)
			if err != nil {
				return 0, err
			}
			if got >= count && value == command {
				s.settle()
				return index, nil
			}
		}
		if !retry {
			return 0, fmt.Errorf("%v was taken at index %d, and not applied by %d servers in time", command, index, count)
		}
	}
	return 0, fmt.Errorf("no agreement of %d servers on %v", count, command)
}
