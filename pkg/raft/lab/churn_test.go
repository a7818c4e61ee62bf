package lab

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// TestReliableChurn2C: servers crash, are cut off and come back under load; nothing seen applied is lost.
func TestReliableChurn2C(t *testing.T) {
	run(t, 5, func(s *suite) { s.churn() })
}

// TestUnreliableChurn2C is the same while calls are lost and delayed.
func TestUnreliableChurn2C(t *testing.T) {
	run(t, 5, func(s *suite) {
		s.unreliable(true)
		s.churn()
	})
}

// client is one source of load in a churn.
type client struct {
	s    *suite
	me   int
	stop chan struct{}

	seen []any // commands that a server had applied where their leader had promised
}

func (s *suite) churn() {
	s.t.Helper()
	s.slowDisks()
	var clients []*client
	var wg sync.WaitGroup
	stop := make(chan struct{})
	stopClients := sync.OnceFunc(func() { close(stop) })
	defer stopClients()
	for me := range 3 {
		c := &client{s: s, me: me, stop: stop}
		clients = append(clients, c)
		wg.Go(c.run)
	}
	s.churnServers()
	s.sleep(electionTimeout)
	s.unreliable(false)
	for i := range s.n {
		if s.live(i) == nil {
			s.start(i)
		}
		s.connect(i)
	}
	stopClients()
	wg.Wait()
	s.sleep(electionTimeout)

	var final []any
	last := s.agree(s.n)
	for index := 1; index <= last; index++ {
		final = append(final, s.await(index, s.n, 0))
	}
	acknowledged := 0
	for _, c := range clients {
		acknowledged += len(c.seen)
		for _, command := range c.seen {
			if !slices.Contains(final, command) {
				s.t.Errorf("client %d saw %v applied, and the final log lacks it", c.me, command)
			}
		}
	}
	if acknowledged == 0 {
		s.t.Error("no client saw a command applied: the test shows nothing")
	}
	s.t.Logf("%d commands acknowledged", acknowledged)
}

// churnServers restarts, cuts off, connects and kills at random.
func (s *suite) churnServers() {
	s.t.Helper()
	for range 20 {
		if s.draw(1000) < 200 {
			s.disconnect(s.draw(s.n))
		}
		if s.draw(1000) < 500 {
			i := s.draw(s.n)
			if s.live(i) == nil {
				s.start(i)
			}
			s.connect(i)
		}
		if s.draw(1000) < 200 {
			s.crash(s.draw(s.n))
		}
		s.sleep(700 * time.Millisecond)
	}
}

// run offers commands to every live server, cut off or not, and remembers those that it sees applied.
func (c *client) run() {
	for !c.stopped() {
		command := c.s.command()
		index, taken := 0, false
		for i := range c.s.n {
			if at, _, took := c.s.offer(i, command); took {
				index, taken = at, true
			}
		}
		if !taken {
			time.Sleep(time.Duration(79+17*c.me) * time.Millisecond)
			continue
		}
		c.look(index, command)
	}
}

func (c *client) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return c.s.over()
	}
}

// look waits a little for a command to be applied at its index.
func (c *client) look(index int, command any) {
	for _, pause := range []int{10, 20, 50, 100, 200} {
		if count, applied, _ := c.s.record.at(index); count > 0 {
			if applied == command {
				c.seen = append(c.seen, command)
			}
			return
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}
