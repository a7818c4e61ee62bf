package lab

import (
	"strings"
	"sync"
	"testing"
)

// TestBasicAgree2B: indices count commands from 1.
func TestBasicAgree2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		for want := 1; want <= 3; want++ {
			s.nobodyApplied(want)
			if index := s.agreeAtOnce(3); index != want {
				t.Fatalf("command %d was agreed on at index %d", want, index)
			}
		}
	})
}

// TestRPCBytes2B: each peer gets each command about once.
func TestRPCBytes2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		s.agreeAtOnce(3)
		before, sent := s.net.traffic().bytes, 0
		for want := 2; want <= 11; want++ {
			command := s.text(5000)
			if index := s.one(command, 3, false); index != want {
				t.Fatalf("a command was agreed on at index %d, want %d", index, want)
			}
			sent += len(command)
		}
		grown := s.net.traffic().bytes - before
		t.Logf("%d bytes for %d bytes of commands", grown, sent)
		if limit := 3*sent + 50000; grown > limit {
			t.Errorf("%d bytes were sent, at most %d", grown, limit)
		}
	})
}

// text is a random string.
func (s *suite) text(size int) string {
	var b strings.Builder
	for range size {
		b.WriteByte(byte('a' + s.draw(26)))
	}
	return b.String()
}

// TestFollowerFailure2B: two of three agree; one alone takes a command and nobody ever applies it.
func TestFollowerFailure2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		s.agreeAtOnce(3)
		first := s.leader()
		s.disconnect(first + 1)
		s.agreeAtOnce(2)
		s.sleep(electionTimeout)
		s.agreeAtOnce(2)
		second := s.leader()
		s.disconnect(second+1, second+2)
		if index, _ := s.lead(second, s.command()); index != 4 {
			t.Fatalf("the command was taken at index %d, want 4", index)
		}
		s.sleep(2 * electionTimeout)
		s.nobodyApplied(4)
	})
}

// TestLeaderFailure2B: without the first leader two agree; without the second each is alone.
func TestLeaderFailure2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		s.agreeAtOnce(3)
		s.disconnect(s.leader())
		s.agreeAtOnce(2)
		s.sleep(electionTimeout)
		s.agreeAtOnce(2)
		s.disconnect(s.leader())
		took := 0
		for i := range s.n {
			if _, _, ok := s.offer(i, s.command()); ok {
				took++
			}
		}
		if took == 0 {
			t.Error("no server took a command: the test shows nothing")
		}
		s.sleep(2 * electionTimeout)
		s.nobodyApplied(4)
	})
}

// TestFailAgree2B: a follower that was cut off catches up.
func TestFailAgree2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		s.agreeAtOnce(3)
		leader := s.leader()
		s.disconnect(leader + 1)
		s.agreeAtOnce(2)
		s.agreeAtOnce(2)
		s.sleep(electionTimeout)
		s.agreeAtOnce(2)
		s.agreeAtOnce(2)
		s.connect(leader + 1)
		s.agree(3)
		s.sleep(electionTimeout)
		s.agree(3)
	})
}

// TestFailNoAgree2B: two of five agree on nothing, and all five do once they are together again.
func TestFailNoAgree2B(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.agreeAtOnce(5)
		first := s.leader()
		others := []int{first + 1, first + 2, first + 3}
		s.disconnect(others...)
		if index, _ := s.lead(first, s.command()); index != 2 {
			t.Fatalf("the command was taken at index %d, want 2", index)
		}
		s.sleep(2 * electionTimeout)
		s.nobodyApplied(2)
		s.connect(others...)
		// The three may have elected one of themselves, whose log lacks the command.
		if index, _ := s.lead(s.leader(), s.command()); index != 2 && index != 3 {
			t.Fatalf("the command was taken at index %d, want 2 or 3", index)
		}
		s.agree(5)
	})
}

// TestConcurrentStarts2B: concurrent commands get indices of their own, in one term.
func TestConcurrentStarts2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		leader := s.leader()
		_, term := s.lead(leader, 1)
		var mu sync.Mutex
		taken := map[int]any{}
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				command := 100 + i
				index, startTerm, took := s.offer(leader, command)
				mu.Lock()
				defer mu.Unlock()
				if !took || startTerm != term || taken[index] != nil {
					t.Errorf("Start(%d) = %d, %d, %v in term %d; the index is %v's", command, index, startTerm, took, term, taken[index])
				}
				taken[index] = command
			})
		}
		wg.Wait()
		for index, command := range taken {
			if got := s.await(index, 3, term); got != command {
				t.Errorf("index %d holds %v, Start promised it to %v", index, got, command)
			}
		}
		if len(taken) != 5 {
			t.Errorf("5 commands got %d indices", len(taken))
		}
	})
}

// TestRejoin2B: the private entries of a deposed leader are overwritten (lab note 20).
func TestRejoin2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		s.agree(3)
		first := s.leader()
		s.disconnect(first)
		for range 3 {
			s.lead(first, s.command())
		}
		s.agree(2)
		second := s.leader()
		s.disconnect(second)
		s.connect(first)
		s.agree(2)
		s.connect(second)
		s.agree(3)
		if s.judge.events("truncate") == 0 {
			t.Error("nothing was overwritten: the test shows nothing")
		}
	})
}

// TestBackup2B: a leader backs up quickly over many entries that followers have from other leaders.
func TestBackup2B(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.agree(5)
		first := s.leader()
		s.disconnect(first+2, first+3, first+4)
		s.burst(first, 50)
		s.sleep(electionTimeout / 2)
		s.disconnect(first, first+1)
		s.connect(first+2, first+3, first+4)
		s.agreements(50, 3)

		second := s.leader()
		other := (first + 2) % s.n
		if other == second {
			other = (second + 1) % s.n
		}
		s.disconnect(other)
		s.burst(second, 50)
		s.sleep(electionTimeout / 2)
		s.disconnect(s.all()...)
		s.connect(first, first+1, other)
		s.agreements(50, 3)

		s.connect(s.all()...)
		s.agree(5)
		if got := s.judge.events("truncate"); got < 4 {
			t.Errorf("%d logs were cut, want those of two servers and two others", got)
		}
	})
}

// burst has a leader take commands that it cannot commit.
func (s *suite) burst(leader, count int) {
	s.t.Helper()
	for range count {
		s.lead(leader, s.command())
	}
}

func (s *suite) agreements(count, servers int) {
	s.t.Helper()
	for range count {
		s.agree(servers)
	}
}

// TestCount2B holds calls to their budgets: to elect, for twelve commands in a row, and in an idle second.
func TestCount2B(t *testing.T) {
	run(t, 3, func(s *suite) {
		leader := s.leader()
		elected := s.incoming()
		if elected < 1 || elected > 30 {
			t.Errorf("%d calls to elect a leader, want 1 to 30", elected)
		}
		commands := map[int]any{}
		first, term := 0, 0
		for i := range 12 {
			command := s.command()
			index, startTerm := s.lead(leader, command)
			if i == 0 {
				first, term = index, startTerm
			}
			if index != first+i || startTerm != term {
				t.Errorf("command %d was taken at index %d in term %d, the first at %d in term %d", i, index, startTerm, first, term)
			}
			commands[index] = command
		}
		for index := first + 1; index <= first+10; index++ {
			if got := s.await(index, 3, term); got != commands[index] {
				t.Errorf("index %d holds %v, Start promised it to %v", index, got, commands[index])
			}
		}
		burst := s.incoming() - elected
		if burst > (10+1+3)*3 {
			t.Errorf("%d calls for twelve commands, at most 42", burst)
		}
		before := s.incoming()
		s.sleep(electionTimeout)
		idle := s.incoming() - before
		t.Logf("calls: %d to elect, %d for 12 commands, %d in an idle second", elected, burst, idle)
		// Ten heartbeats to each of two followers, and one each that was due at the bounds.
		if idle > 22 {
			t.Errorf("%d calls in an idle second, at most 22", idle)
		}
	})
}

// incoming sums the calls that reached the servers.
func (s *suite) incoming() int {
	sum := 0
	for i := range s.n {
		sum += s.net.incoming(i)
	}
	return sum
}
