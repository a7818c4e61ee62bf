package lab

import "testing"

// stateLimit is the suite's bound on a saved state. The suite looks once a round; here every save is held to it.
const stateLimit = 2000

// runService runs test on n servers with a service on each that takes snapshots. No server may save a state of limit
// bytes; 0: no matter.
func runService(t *testing.T, n, limit int, test func(s *suite)) {
	t.Helper()
	inBubble(t, n, snapshots, func(s *suite) {
		s.record.limitState(limit)
		test(s)
		s.complete()
	})
}

// complete checks that in the end every server has everything.
func (s *suite) complete() {
	s.t.Helper()
	last := s.agree(s.n)
	for i := range s.n {
		if index := s.record.lacking(i, last); index > 0 {
			s.t.Errorf("server %d has neither applied nor restored index %d of %d", i, index, last)
		}
	}
}

// snapshotRounds has 30 bursts of commands agreed on. A fault, unless nil, falls upon one server during each, which is
// mended behind it and must catch up.
func (s *suite) snapshotRounds(fault, mend func(victim int)) {
	s.t.Helper()
	s.agree(3)
	leader := s.leader()
	for round := range 30 {
		victim, sender := leader+1, leader
		if round%3 == 1 {
			victim, sender = leader, leader+1
		}
		count := 3
		if fault != nil {
			fault(victim)
			count = 2
			s.agree(count)
		}
		s.offerSome(sender)
		s.agree(count)
		if size := s.largest(); size >= stateLimit {
			s.t.Fatalf("a state has %d bytes, must be below %d", size, stateLimit)
		}
		if fault != nil {
			mend(victim)
			s.agree(3)
			leader = s.leader()
		}
	}
}

// offerSome offers a server enough commands to call for a snapshot, perhaps.
func (s *suite) offerSome(server int) {
	for range interval/2 + s.draw(interval) {
		s.offer(server, s.command())
	}
}

// expectInstalls checks that snapshots were sent: without any the test shows nothing.
func (s *suite) expectInstalls(least int) {
	s.t.Helper()
	if got := s.judge.events("install"); got < least {
		s.t.Errorf("%d snapshots were installed, want at least %d", got, least)
	}
}

// TestSnapshotBasic2D: logs stay short. Who is up hardly ever needs a snapshot, but calls of one moment may overtake each
// other, and a follower then asks for what has just left the log.
func TestSnapshotBasic2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.snapshotRounds(nil, nil)
		taken, installed, commands := s.judge.events("snapshot"), s.judge.events("install"), s.record.last()
		if taken+3*installed < 3*(commands/interval) { // a burst calls for two at most, and an agreement may for one more
			t.Errorf("%d snapshots of %d commands", taken, commands)
		}
	})
}

// TestSnapshotInstall2D: who was cut off comes back to a log that begins behind its own.
func TestSnapshotInstall2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.snapshotRounds(s.cutOff, s.cutIn)
		s.expectInstalls(10)
	})
}

func (s *suite) cutOff(victim int) { s.disconnect(victim) }

func (s *suite) cutIn(victim int) { s.connect(victim) }

// TestSnapshotInstallUnreliable2D is the same while calls are lost and delayed.
func TestSnapshotInstallUnreliable2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.unreliable(true)
		s.snapshotRounds(s.cutOff, s.cutIn)
		s.expectInstalls(10)
	})
}

// TestSnapshotInstallCrash2D: who has crashed starts from its snapshot, and needs a newer one.
func TestSnapshotInstallCrash2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.slowDisks()
		s.snapshotRounds(s.crash, s.revive)
		s.expectRestarts(30)
		s.expectInstalls(10)
	})
}

func (s *suite) revive(victim int) { s.restart(victim) }

// TestSnapshotInstallUnCrash2D is the same while calls are lost and delayed.
func TestSnapshotInstallUnCrash2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.slowDisks()
		s.unreliable(true)
		s.snapshotRounds(s.crash, s.revive)
		s.expectRestarts(30)
		s.expectInstalls(10)
	})
}

// perhapsUnreliable: the years' suites differ. A short test may be lucky and lose nothing.
func (s *suite) perhapsUnreliable() {
	lossy := s.draw(2) == 0
	s.net.set(func(m *mode) { m.unreliable = lossy })
}

func (s *suite) restartAll() {
	for i := range s.n {
		s.crash(i)
	}
	for i := range s.n {
		s.restart(i)
	}
}

// TestSnapshotAllCrash2D: snapshots outlive a crash of all.
func TestSnapshotAllCrash2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.slowDisks()
		s.perhapsUnreliable()
		s.agree(3)
		for range 5 {
			for range interval/2 + s.draw(interval) {
				s.agree(3)
			}
			before := s.agree(3)
			s.restartAll()
			if after := s.agree(3); after <= before {
				t.Fatalf("agreed on index %d after a crash, on %d before", after, before)
			}
		}
		s.expectRestarts(15)
		if got := s.record.restores(); got < 12 {
			t.Errorf("%d servers started from a snapshot, want at least 12", got)
		}
	})
}

// TestSnapshotInit2D: a snapshot outlives a restart after which nothing called for another.
func TestSnapshotInit2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.slowDisks()
		s.perhapsUnreliable()
		s.agree(3)
		for range interval + 1 {
			s.agree(3)
		}
		s.restartAll()
		s.agree(3)
		s.restartAll()
		s.agree(3)
		s.expectRestarts(6)
		if got := s.record.restores(); got != 6 {
			t.Errorf("%d servers started from a snapshot, want 6", got)
		}
	})
}

// TestSnapshotDoubled2D is ours: besides, one call in ten is handled twice.
func TestSnapshotDoubled2D(t *testing.T) {
	runService(t, 3, stateLimit, func(s *suite) {
		s.slowDisks()
		s.unreliable(true)
		s.doubling()
		s.snapshotRounds(s.cutOff, s.cutIn)
		s.expectInstalls(10)
	})
}

// TestSnapshotChurn2D is ours: servers crash, are cut off and come back under load, with a service on each.
func TestSnapshotChurn2D(t *testing.T) {
	runService(t, 5, 0, func(s *suite) {
		s.unreliable(true)
		s.doubling()
		s.churn()
		s.net.set(func(m *mode) { m.doubling = false })
		s.expectInstalls(1)
	})
}
