package lab

import (
	"testing"
	"time"
)

// TestInitialElection2A: a leader is elected, and without faults nothing changes after that.
func TestInitialElection2A(t *testing.T) {
	run(t, 3, func(s *suite) {
		leader := s.leader()
		s.sleep(50 * time.Millisecond)
		term := s.terms()
		if term < 1 {
			t.Errorf("the term is %d, want at least 1", term)
		}
		s.sleep(2 * electionTimeout)
		if later := s.terms(); later != term {
			t.Errorf("the term changed from %d to %d without a fault", term, later)
		}
		if later := s.leader(); later != leader {
			t.Errorf("the leader changed from %d to %d without a fault", leader, later)
		}
	})
}

// TestReElection2A: a new leader without the old one, none without a majority, one again with it.
func TestReElection2A(t *testing.T) {
	run(t, 3, func(s *suite) {
		first := s.leader()
		s.disconnect(first)
		if second := s.leader(); second == first {
			t.Fatalf("%d leads and is cut off", first)
		}
		s.connect(first)
		second := s.leader()
		s.disconnect(second, second+1)
		s.sleep(2 * electionTimeout)
		s.noLeader()
		s.connect(second + 1)
		s.leader()
		s.connect(second)
		s.leader()
	})
}

// TestManyElections2A: with up to three of seven cut off there is a leader each time.
func TestManyElections2A(t *testing.T) {
	run(t, 7, func(s *suite) {
		s.leader()
		for range 9 {
			victims := []int{s.draw(7), s.draw(7), s.draw(7)}
			s.disconnect(victims...)
			s.leader()
			s.connect(victims...)
		}
		s.leader()
	})
}
