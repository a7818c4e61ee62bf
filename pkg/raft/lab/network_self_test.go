package lab

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// echo is a server that repeats strings, or hangs.
type echo struct{ stuck chan struct{} }

func (echo) Repeat(args, reply *string) { *reply = *args }

func (e echo) Hang(_, _ *string) { <-e.stuck }

// onNetwork runs test with an echo server 0 and a way to make links that are up.
func onNetwork(t *testing.T, test func(t *testing.T, n *network, dial func() *link)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(rand.New(rand.NewPCG(seedOf(t), 0)))
		e := echo{make(chan struct{})}
		n.setServer(0, e)
		test(t, n, func() *link { return &link{net: n, from: 1, to: 0, up: true} })
		n.close()
		close(e.stuck)
	})
}

func (l *link) repeat(text string) (string, bool) {
	var reply string
	ok := l.Call("Echo.Repeat", &text, &reply)
	return reply, ok
}

func TestNetwork_CountsCallsAndBytes(t *testing.T) {
	onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
		l, text := dial(), strings.Repeat("x", 1000)
		for range 17 {
			if reply, ok := l.repeat(text); !ok || reply != text {
				t.Fatalf("call = %q, %v", reply, ok)
			}
		}
		if got := n.incoming(0); got != 17 {
			t.Errorf("17 calls count %d", got)
		}
		if got := n.traffic(); got.calls != 17 || got.bytes < 2*17*1000 || got.bytes > 2*17*1100 {
			t.Errorf("17 calls of 1000 bytes each way: %+v", got)
		}
		l.setUp(false)
		l.repeat(text)
		if got := n.traffic(); got.calls != 18 || got.bytes < 35*1000 || got.bytes > 36*1000 {
			t.Errorf("a call over a down link counts with its arguments alone: %+v", got)
		}
	})
}

func TestNetwork_Unreliable(t *testing.T) {
	onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
		n.set(func(m *mode) { m.unreliable = true })
		const calls = 3000
		var succeeded atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for range calls {
			wg.Go(func() {
				if _, ok := dial().repeat("x"); ok {
					succeeded.Add(1)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 26*time.Millisecond {
			t.Errorf("a call took %v, at most 26 ms", took)
		}
		if got := succeeded.Load(); got < calls*78/100 || got > calls*84/100 {
			t.Errorf("%d of %d calls succeeded, want 81 %%", got, calls)
		}
		got := n.traffic()
		handled := n.incoming(0)
		if handled != calls-got.lostRequests || int(succeeded.Load()) != handled-got.lostReplies {
			t.Errorf("%d handled, %d succeeded: %+v", handled, succeeded.Load(), got)
		}
	})
}

func TestNetwork_DownLink(t *testing.T) {
	for _, long := range []bool{false, true} {
		t.Run(map[bool]string{false: "short", true: "long"}[long], func(t *testing.T) {
			onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
				n.set(func(m *mode) { m.longDelays = long })
				l := dial()
				l.setUp(false)
				var wg sync.WaitGroup
				began := time.Now()
				for range 20 {
					wg.Go(func() {
						if _, ok := l.repeat("x"); ok {
							t.Error("a call over a down link succeeded")
						}
					})
				}
				synctest.Wait()
				l.setUp(true)
				enabled := time.Now()
				if _, ok := l.repeat("x"); !ok || time.Since(enabled) > 30*time.Millisecond {
					t.Errorf("call after the link came up: %v in %v", ok, time.Since(enabled))
				}
				wg.Wait()
				if got := n.incoming(0); got != 1 {
					t.Errorf("%d calls reached the server, want the last alone", got)
				}
				least, most := 30*time.Millisecond, 100*time.Millisecond
				if long {
					least, most = 3*time.Second, 7*time.Second
				}
				if took := time.Since(began); took < least || took >= most {
					t.Errorf("the slowest of 20 calls failed after %v, want %v to %v", took, least, most)
				}
			})
		})
	}
}

func TestNetwork_DeletedServer(t *testing.T) {
	onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
		failed := make(chan time.Time)
		go func() {
			text := "x"
			if dial().Call("Echo.Hang", &text, &text) {
				t.Error("a call to a deleted server succeeded")
			}
			failed <- time.Now()
		}()
		time.Sleep(250 * time.Millisecond)
		deleted := time.Now()
		n.setServer(0, nil)
		if took := (<-failed).Sub(deleted); took > 100*time.Millisecond {
			t.Errorf("the call failed %v after the server was gone, want 100 ms", took)
		}
		if got := n.traffic().suppressed; got != 1 {
			t.Errorf("%d replies suppressed, want 1", got)
		}
	})
}

// TestNetwork_CutWhileTheRequestSleeps: the link is not looked at again before the handler runs.
func TestNetwork_CutWhileTheRequestSleeps(t *testing.T) {
	onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
		n.set(func(m *mode) { m.unreliable = true })
		var links []*link
		var wg sync.WaitGroup
		for range 100 {
			l := dial()
			links = append(links, l)
			wg.Go(func() { l.repeat("x") })
		}
		synctest.Wait() // those that drew no delay at all are through
		before := n.incoming(0)
		for _, l := range links {
			l.setUp(false)
		}
		wg.Wait()
		got := n.traffic()
		if n.incoming(0)+got.lostRequests != 100 || got.suppressed != n.incoming(0)-before {
			t.Errorf("%d of 100 handled: %+v", n.incoming(0), got)
		}
	})
}

func TestNetwork_LongReordering(t *testing.T) {
	onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
		n.set(func(m *mode) { m.reordering = true })
		const calls = 3000
		var quick, late atomic.Int64
		var wg sync.WaitGroup
		for range calls {
			wg.Go(func() {
				began := time.Now()
				l := dial()
				go func() {
					time.Sleep(time.Millisecond)
					l.setUp(false) // a held reply comes all the same
				}()
				if _, ok := l.repeat("x"); !ok {
					t.Error("a call failed")
				}
				switch took := time.Since(began); {
				case took == 0:
					quick.Add(1)
				case took < 200*time.Millisecond || took >= 2200*time.Millisecond:
					t.Errorf("a reply was held for %v", took)
				case took > 573*time.Millisecond:
					late.Add(1)
				}
			})
		}
		wg.Wait()
		if got := quick.Load(); got < calls*30/100 || got > calls*37/100 {
			t.Errorf("%d of %d replies came at once, want a third", got, calls)
		}
		if held := n.traffic().held; int(late.Load()) < held*45/100 || int(late.Load()) > held*55/100 {
			t.Errorf("%d of %d held replies took over 573 ms, want half", late.Load(), held)
		}
	})
}

func TestNetwork_Doubling(t *testing.T) {
	onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
		n.set(func(m *mode) { m.doubling = true })
		for range 300 {
			if _, ok := dial().repeat("x"); !ok {
				t.Error("a call failed")
			}
		}
		if got := n.traffic().doubled; got == 0 || n.incoming(0) != 300+got {
			t.Errorf("%d calls doubled, %d of 300 handled", got, n.incoming(0))
		}
	})
}

func TestNetwork_CloseEndsPendingCalls(t *testing.T) {
	onNetwork(t, func(t *testing.T, n *network, dial func() *link) {
		n.set(func(m *mode) { m.longDelays = true })
		l := dial()
		l.setUp(false)
		ended := make(chan bool)
		go func() {
			_, ok := l.repeat("x")
			ended <- ok
		}()
		synctest.Wait()
		began := time.Now()
		n.close()
		if ok := <-ended; ok || time.Since(began) > 0 {
			t.Errorf("call = %v after %v", ok, time.Since(began))
		}
	})
}
