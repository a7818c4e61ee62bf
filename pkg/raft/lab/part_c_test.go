package lab

import (
	"sync"
	"testing"
	"time"
)

// slowDisks makes the saves of every server that starts from now on take up to two milliseconds in half of all
// tests, so that crashes come between a save and its effect.
func (s *suite) slowDisks() {
	if s.draw(2) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.servers {
		v.disk.delay = func() time.Duration { return s.milliseconds(3) }
	}
}

// restart starts servers and connects them.
func (s *suite) restart(servers ...int) {
	for _, i := range servers {
		s.start(i)
		s.connect(i)
	}
}

// TestPersist12C: logs, terms and votes outlive restarts of all and of one.
func TestPersist12C(t *testing.T) {
	run(t, 3, func(s *suite) {
		s.slowDisks()
		s.agree(3)
		for i := range s.n {
			s.start(i)
		}
		s.disconnect(s.all()...)
		s.connect(s.all()...)
		s.agree(3)
		leader := s.leader()
		s.disconnect(leader)
		s.restart(leader)
		s.agree(3)
		second := s.leader()
		s.disconnect(second)
		s.agree(2)
		s.restart(second)
		s.await(4, 3, 0)
		third := s.leader() + 1
		s.disconnect(third)
		s.agree(2)
		s.restart(third)
		s.agree(3)
		s.expectRestarts(6)
	})
}

// expectRestarts checks that the schedule has killed whom it should.
func (s *suite) expectRestarts(want int) {
	s.t.Helper()
	if got := s.judge.restarts(); got != want {
		s.t.Errorf("%d restarts, want %d", got, want)
	}
}

// TestPersist22C: majorities that overlap in one server, each restarted.
func TestPersist22C(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.slowDisks()
		for range 5 {
			s.agree(5)
			leader := s.leader()
			s.disconnect(leader+1, leader+2)
			s.agree(3)
			s.disconnect(leader, leader+3, leader+4)
			s.restart(leader+1, leader+2)
			s.sleep(electionTimeout)
			s.restart(leader + 3)
			s.agree(3)
			s.connect(leader+4, leader)
		}
		s.agree(5)
		s.expectRestarts(15)
	})
}

// TestPersist32C: a server with a short log cannot lead those with a longer one.
func TestPersist32C(t *testing.T) {
	run(t, 3, func(s *suite) {
		s.slowDisks()
		s.agree(3)
		leader := s.leader()
		s.disconnect(leader + 2)
		s.agree(2)
		s.crash(leader)
		s.crash(leader + 1)
		s.connect(leader + 2)
		s.restart(leader)
		s.agree(2)
		s.restart(leader + 1)
		s.agree(3)
		s.expectRestarts(2)
	})
}

// TestFigure82C: leaders crash right after they took a command, a thousand times (Figure 8).
func TestFigure82C(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.slowDisks()
		s.agree(1)
		for range 1000 {
			leader := -1
			for i := range s.n {
				if _, _, took := s.offer(i, s.command()); took {
					leader = i
				}
			}
			s.figure8Pause()
			if leader >= 0 {
				s.crash(leader)
			}
			if s.countLive() < 3 {
				if i := s.draw(s.n); s.live(i) == nil {
					s.restart(i)
				}
			}
		}
		for i := range s.n {
			if s.live(i) == nil {
				s.restart(i)
			}
		}
		s.agree(5)
		if got := s.judge.leaderships(); got < 10 {
			t.Errorf("only %d servers took office", got)
		}
	})
}

// figure8Pause is mostly short of an election, and sometimes long enough for one.
func (s *suite) figure8Pause() {
	s.t.Helper()
	if s.draw(1000) < 100 {
		s.sleep(s.milliseconds(500))
	} else {
		s.sleep(s.milliseconds(13))
	}
}

func (s *suite) countLive() int {
	live := 0
	for i := range s.n {
		if s.live(i) != nil {
			live++
		}
	}
	return live
}

// TestUnreliableAgree2C: calls are lost and delayed, and 245 commands are agreed on, five at a time.
func TestUnreliableAgree2C(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.unreliable(true)
		s.agreeConcurrently()
		s.unreliable(false)
		s.agree(5)
	})
}

// agreeConcurrently has 49 rounds of five commands agreed on, four of each in goroutines.
func (s *suite) agreeConcurrently() {
	s.t.Helper()
	var wg sync.WaitGroup
	for range 49 {
		for range 4 {
			wg.Go(func() {
				if _, err := s.try(s.command(), 1, true); err != nil {
					s.t.Error(err)
				}
			})
		}
		s.agree(1)
	}
	wg.Wait()
	if got := s.record.last(); got < 245 {
		s.t.Errorf("%d commands were applied, want at least 245", got)
	}
}

// TestDoubledAgree2C is ours: besides, one call in ten is handled twice, and replies are held for long.
func TestDoubledAgree2C(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.unreliable(true)
		s.doubling()
		s.reordering()
		s.agreeConcurrently()
		s.unreliable(false)
		s.agree(5)
	})
}

func (s *suite) doubling() {
	s.net.set(func(m *mode) { m.doubling = true })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used.doubling = true
}

// reordering holds replies for long from now on.
func (s *suite) reordering() {
	s.net.set(func(m *mode) { m.reordering = true })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used.reordering = true
}

// TestFigure8Unreliable2C: leaders are cut off while calls are lost, delayed and reordered, and stay so to the end.
func TestFigure8Unreliable2C(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.slowDisks()
		s.unreliable(true)
		s.one(s.draw(10000), 1, true)
		for round := range 1000 {
			if round == 200 {
				s.reordering()
			}
			leader := -1
			for i := range s.n {
				if _, _, took := s.offer(i, s.command()); took && s.connected(i) {
					leader = i
				}
			}
			s.figure8Pause()
			if leader >= 0 && s.draw(1000) < 500 {
				s.disconnect(leader)
			}
			if s.countConnected() < 3 {
				if i := s.draw(s.n); !s.connected(i) {
					s.connect(i)
				}
			}
		}
		for i := range s.n {
			if !s.connected(i) {
				s.connect(i)
			}
		}
		began := time.Now()
		s.agree(5)
		t.Logf("final agreement took %v", time.Since(began))
		if leaders, cuts := s.judge.leaderships(), s.judge.events("truncate"); leaders < 2 || cuts == 0 {
			t.Errorf("only %d servers took office and %d logs were cut", leaders, cuts)
		}
	})
}

func (s *suite) countConnected() int {
	connected := 0
	for i := range s.n {
		if s.connected(i) {
			connected++
		}
	}
	return connected
}
