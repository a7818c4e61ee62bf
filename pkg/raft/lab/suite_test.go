package lab

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"whitewater/pkg/raft"
)

const (
	electionTimeout = time.Second // the suite's nominal one, for its waits alone
	testLimit       = 120 * time.Second
)

// suite is the lab's tester: n servers on a network of its own, in a bubble with a clock of its own.
type suite struct {
	t      *testing.T
	n      int
	net    *network
	judge  *judge
	record *record
	quorum bool // leaders look for their quorum, as the library's do, in half of all tests
	chunk  int  // bytes of a snapshot in a call; 0: the library's default
	part   part
	began  time.Time
	ended  chan struct{} // closed when the test is over or its time is up
	ending sync.Once

	mu      sync.Mutex // guards all below
	rng     *rand.Rand
	servers []*server
	used    faults
	settled int // leaderships when the first leader had been seen; 0: not yet
}

// part is what stands on each server.
type part int

const (
	plain     part = iota // who only notes what was applied
	snapshots             // a service that takes snapshots
)

// server is one of them, over all its incarnations.
type server struct {
	rf        *Raft // nil: crashed
	disk      *persister
	links     []*link // this incarnation's, to each server
	connected bool
}

// faults are the kinds that a test has used: each must have had an effect by its end.
type faults struct{ cut, crash, unreliable, reordering, doubling bool }

// seedOf draws the test's seed, or takes it from LAB_SEED. It fixes what is drawn, not how goroutines interleave.
func seedOf(t *testing.T) uint64 {
	seed := rand.Uint64()
	if text := os.Getenv("LAB_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("LAB_SEED: %v", err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: LAB_SEED=%d go test ./pkg/raft/lab -run '^%s$' -count 1", seed, t.Name())
		}
	})
	return seed
}

// run runs test with n connected servers in a bubble of its own, and then judges all that has happened.
func run(t *testing.T, n int, test func(s *suite)) {
	t.Helper()
	inBubble(t, n, plain, test)
}

func inBubble(t *testing.T, n int, part part, test func(s *suite)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seedOf(t), 1))
		s := &suite{
			t: t, n: n, rng: rng, began: time.Now(), ended: make(chan struct{}),
			net:   newNetwork(rand.New(rand.NewPCG(rng.Uint64(), 2))),
			judge: newJudge(t), record: newRecord(t, n), quorum: rng.IntN(2) == 0, chunk: rng.IntN(2) * 1000, part: part,
		}
		s.net.watch = s.judge.sent
		s.net.set(func(m *mode) { m.longDelays = true })
		limit := time.AfterFunc(testLimit, func() {
			t.Errorf("%v of virtual time are over", testLimit)
			s.end()
		})
		hang := time.AfterFunc(testLimit+30*time.Second, func() { panic(t.Name() + " hangs") })
		t.Cleanup(func() {
			s.end()
			s.net.close()
			for i := range n {
				s.kill(i)
			}
			limit.Stop()
			hang.Stop()
			time.Sleep(5 * time.Second) // clients of a failed test look once more, and end
		})
		for i := range n {
			s.servers = append(s.servers, &server{disk: s.newDisk(i)})
			s.start(i)
		}
		s.connect(s.all()...)
		test(s)
		s.passed()
	})
}

func (s *suite) end() { s.ending.Do(func() { close(s.ended) }) }

// over reports whether nothing more is to be done.
func (s *suite) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// sleep lets virtual time pass. The test's own goroutine ends here once its time is up.
func (s *suite) sleep(d time.Duration) {
	s.t.Helper()
	time.Sleep(d)
	if s.over() {
		s.t.FailNow()
	}
}

// passed judges the whole test, and says what it took.
func (s *suite) passed() {
	s.t.Helper()
	for i := range s.n {
		s.kill(i)
	}
	s.record.finish()
	s.effects()
	got := s.net.traffic()
	s.t.Logf("passed: %.1f s, check-quorum %v, %d peers, %d calls, %d bytes, %d committed, %d leaders, %d logs cut, last state %d bytes",
		time.Since(s.began).Seconds(), s.quorum, s.n, got.calls, got.bytes, s.record.last(), s.judge.leaderships(), s.judge.events("truncate"), s.largest())
	if s.part == snapshots {
		s.t.Logf("%d snapshots taken, %d restored at a start, %d installed in calls of %d bytes, largest state ever %d bytes",
			s.judge.events("snapshot"), s.record.restores(), s.judge.events("install"), s.chunk, s.most())
	}
}

// effects fails a test of which a fault never took effect, and one without faults that changed its leader.
func (s *suite) effects() {
	s.mu.Lock()
	used, settled := s.used, s.settled
	s.mu.Unlock()
	got := s.net.traffic()
	for _, fault := range []struct {
		name   string
		used   bool
		effect int
	}{
		{"cut", used.cut, got.down},
		{"crash", used.crash, s.judge.restarts()},
		{"lost requests", used.unreliable, got.lostRequests},
		{"lost replies", used.unreliable, got.lostReplies},
		{"reordering", used.reordering, got.held},
		{"doubling", used.doubling, got.doubled},
	} {
		if fault.used && fault.effect == 0 {
			s.t.Errorf("the fault %q took no effect", fault.name)
		}
	}
	if leaders := s.judge.leaderships(); used == (faults{}) && settled != 0 && leaders != settled {
		s.t.Errorf("without a fault the leader changed %d times", leaders-settled)
	}
}

// all are the numbers of all servers.
func (s *suite) all() []int {
	all := make([]int, s.n)
	for i := range all {
		all[i] = i
	}
	return all
}

// server takes any number from 0 on: the schedules count on from a leader's.
func (s *suite) server(i int) *server { return s.servers[i%s.n] }

// start starts a server from what its disk holds; it crashes first if it runs. Its links stay down until connect.
func (s *suite) start(i int) {
	s.t.Helper()
	i %= s.n
	s.crash(i)
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.servers[i]
	v.links = nil
	for to := range s.n {
		v.links = append(v.links, &link{net: s.net, from: i, to: to})
	}
	applyCh := make(chan ApplyMsg)
	seed, saved := s.rng.Uint64(), v.disk.ReadSnapshot()
	v.rf = Make(v.links, i, v.disk, applyCh, func(o *raft.Options) {
		o.Rand, o.Events = rand.New(rand.NewPCG(seed, 3)), s.judge.sink(i)
		o.DisableCheckQuorum, o.SnapshotChunkBytes = !s.quorum, s.chunk
	})
	if s.part == snapshots {
		go (&applier{record: s.record, judge: s.judge, server: i, rf: v.rf}).run(applyCh, saved)
	} else {
		go s.record.apply(i, applyCh)
	}
	s.net.setServer(i, v.rf)
}

// crash cuts a server off, freezes what its disk holds, and kills it.
func (s *suite) crash(i int) {
	i %= s.n
	if v := s.servers[i]; s.live(i) != nil {
		s.wire(i, false)
		s.net.setServer(i, nil)
		s.mu.Lock()
		v.disk = v.disk.freeze()
		s.used.crash = true
		s.mu.Unlock()
		s.kill(i)
	}
}

// kill kills a server and leaves everything else as it is.
func (s *suite) kill(i int) {
	s.mu.Lock()
	v := s.server(i)
	rf := v.rf
	v.rf = nil
	s.mu.Unlock()
	if rf != nil {
		rf.Kill()
	}
}

// connect raises the links, both ways, between each of these servers and every connected one.
func (s *suite) connect(servers ...int) {
	for _, i := range servers {
		s.wire(i, true)
	}
}

// disconnect takes down all links of each of these servers: two disconnected ones cannot talk to each other either.
func (s *suite) disconnect(servers ...int) {
	for _, i := range servers {
		s.wire(i, false)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used.cut = true
}

func (s *suite) wire(i int, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i %= s.n
	s.servers[i].connected = up
	for j, other := range s.servers {
		if (!up || other.connected) && other.links != nil {
			s.servers[i].links[j].setUp(up)
			other.links[i].setUp(up)
		}
	}
}

// live is the running instance of a server; nil: it has crashed.
func (s *suite) live(i int) *Raft {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server(i).rf
}

func (s *suite) connected(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server(i).connected
}

// unreliable makes the network lose and delay from now on, or no more.
func (s *suite) unreliable(on bool) {
	s.net.set(func(m *mode) { m.unreliable = on })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used.unreliable = s.used.unreliable || on
}

// draw is below n.
func (s *suite) draw(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// command is a fresh one: no other of this test equals it.
func (s *suite) command() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.rng.Uint64() >> 2)
}

// milliseconds draws a time of 0 to below n milliseconds.
func (s *suite) milliseconds(n int) time.Duration {
	return time.Duration(s.draw(n)) * time.Millisecond
}
