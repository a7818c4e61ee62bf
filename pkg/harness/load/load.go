package load

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is a running load.
type Load struct {
	options   Options
	endpoints Endpoints
	stop      context.CancelFunc
	wg        sync.WaitGroup
	nextID    atomic.Int64
	journal   journal

	mu     sync.Mutex    // guards open, busy, quiet, pin
	open   chan struct{} // closed while operations may begin
	busy   int           // operations in flight
	quiet  chan struct{} // closed and replaced whenever busy falls to 0
	pinned pin
}

// pin ties the first clients to one node.
type pin struct {
	node      string
	clients   int
	readsOnly bool
}

// Start validates the options and starts the clients. The context's end stops them as Stop does.
func Start(ctx context.Context, options Options, endpoints Endpoints) (*Load, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	options = options.withDefaults()
	ctx, stop := context.WithCancel(ctx)
	l := &Load{
		options:   options,
		endpoints: endpoints,
		stop:      stop,
		journal:   newJournal(options),
		open:      make(chan struct{}),
		quiet:     make(chan struct{}),
	}
	close(l.open)
	begin := time.Now()
	for number := range options.Clients {
		c := newClient(options, endpoints, number+1)
		g := newGenerator(options, number+1)
		l.wg.Go(func() {
			defer c.close()
			l.drive(ctx, c, g, begin)
		})
	}
	return l, nil
}

// drive is one client's loop.
func (l *Load) drive(ctx context.Context, c *client, g *generator, begin time.Time) {
	for n := 0; ; n++ {
		due := l.due(c, n, begin)
		if !wait(ctx, time.Until(due)) || !l.enter(ctx, c) {
			return
		}
		p := l.pinOf(c)
		c.pinned = p.node
		id, intended := int(l.nextID.Add(1)), Monotonic()-int64(time.Since(due))
		op := c.do(ctx, g.next(p.readsOnly))
		op.ID = id
		if l.options.Rate > 0 {
			op.Intended = intended
		}
		if len(op.Attempts) > 0 || ctx.Err() == nil { // else it was stopped before anything was sent
			l.journal.add(op)
		}
		l.leave()
	}
}

// due is when the client's n-th operation should begin: at its place in a fixed schedule, or after a thought.
func (l *Load) due(c *client, n int, begin time.Time) time.Time {
	if l.options.Rate > 0 {
		place := float64(n*l.options.Clients+c.number-1) / l.options.Rate
		return begin.Add(time.Duration(place * float64(time.Second)))
	}
	if l.options.Think == 0 {
		return time.Now()
	}
	return time.Now().Add(time.Duration(c.rand.Int64N(2 * int64(l.options.Think))))
}

// enter waits while the load is paused, then counts an operation as begun.
func (l *Load) enter(ctx context.Context, c *client) bool {
	for {
		l.mu.Lock()
		open := l.open
		select {
		case <-open:
			l.busy++
			l.mu.Unlock()
			return true
		default:
			l.mu.Unlock()
		}
		select {
		case <-open:
		case <-ctx.Done():
			return false
		}
	}
}

func (l *Load) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	if l.busy == 0 {
		close(l.quiet)
		l.quiet = make(chan struct{})
	}
}

// Stop ends the clients; operations in flight become unknown. It returns when all have ended, and may be called again.
func (l *Load) Stop() {
	l.stop()
	l.wg.Wait()
}

// Pause lets no new operation begin; those in flight go on.
func (l *Load) Pause() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		l.open = make(chan struct{})
	default: // paused already
	}
}

// Resume ends a pause.
func (l *Load) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open: // not paused
	default:
		close(l.open)
	}
}

// Drain waits until no operation is in flight: after Pause, so that what follows meets a quiet cluster.
func (l *Load) Drain(ctx context.Context) error {
	l.mu.Lock()
	busy, quiet := l.busy, l.quiet
	l.mu.Unlock()
	if busy == 0 {
		return nil
	}
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("await the end of %d operations: %w", busy, ctx.Err())
	}
}

// Pin makes the first n clients speak to one node alone from their next operation on, following no
// redirect, and only read if readsOnly: that is how a cut-off old leader gets asked.
func (l *Load) Pin(node string, n int, readsOnly bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pinned = pin{node: node, clients: n, readsOnly: readsOnly}
}

// Unpin ends it.
func (l *Load) Unpin() { l.Pin("", 0, false) }

func (l *Load) pinOf(c *client) pin {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.number > l.pinned.clients {
		return pin{}
	}
	return l.pinned
}

// History is every operation that has ended, ordered by Call.
func (l *Load) History() []Operation {
	history := l.journal.all()
	slices.SortStableFunc(history, func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
	return history
}

// Stats counts them.
func (l *Load) Stats() Stats { return l.journal.stats() }

// AwaitOK waits for n more operations to succeed.
func (l *Load) AwaitOK(ctx context.Context, n int) error { return l.journal.awaitOK(ctx, n) }

// Err is the first error that was not a client's (the recording failed), or nil.
func (l *Load) Err() error { return l.journal.failure() }
