package chaos

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Server is the proxy: its links, what is in force on them, and the control API. Its methods
// do what the requests of the control API do, and return its errors.
type Server struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	http    *http.Server
	view    atomic.Pointer[view]
	pipes   *pipes

	ctx    context.Context // ends with the server
	cancel context.CancelFunc
	wg     sync.WaitGroup // links' listeners and connections' pumps

	mu         sync.Mutex // guards what follows, and the links' fields that say so
	closed     bool
	links      map[string]*link
	partitions map[string]*Partition
	watches    []*Watch
	epoch      uint64 // the last one given out
}

// NewServer returns a server without links.
func NewServer(opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		opts:       opts,
		log:        opts.Logger,
		metrics:    newMetrics(),
		pipes:      newPipes(),
		links:      make(map[string]*link),
		partitions: make(map[string]*Partition),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.view.Store(&view{})
	s.metrics.registry.MustRegister(newStateCollector(s))
	s.http = &http.Server{
		Handler:      s.Handler(),
		ReadTimeout:  15 * time.Second,
		WriteTimeout: 30 * time.Second,
		IdleTimeout:  2 * time.Minute, // well above what clients keep a connection for, so that they close it
		ErrorLog:     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s
}

// Serve answers the control API on ln until Close, and then returns nil.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the control API, deletes every link, closes every connection, and returns when all goroutines have ended.
func (s *Server) Close() error {
	errs := []error{s.http.Close()}
	errs = append(errs, s.change(func() error {
		s.closed = true
		var errs []error
		for _, l := range s.links {
			errs = append(errs, s.deleteLocked(l))
		}
		return errors.Join(errs...)
	}))
	s.cancel()
	s.wg.Wait()
	s.pipes.close()
	return errors.Join(errs...)
}

var errServerClosed = errors.New("the server is closed")

// change runs edit over the control state and publishes what it left behind, even beside an error, as one step. Then,
// without the lock, it tells the connections concerned.
func (s *Server) change(edit func() error) error {
	touched, err := s.changeState(edit)
	for _, l := range touched {
		l.enforce()
	}
	return err
}

func (s *Server) changeState(edit func() error) ([]*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errServerClosed
	}
	err := edit()
	return s.publishLocked(), err
}

// publishLocked makes the control state the data path's, and returns the links for which something changed.
func (s *Server) publishLocked() (touched []*link) {
	old := s.view.Load()
	next := &view{policies: make(map[*link]*policy, len(s.links))}
	for _, l := range s.links {
		p, before := s.policyLocked(l), old.policies[l]
		if before != nil && p.equal(before) {
			p = before
		} else {
			touched = append(touched, l)
		}
		next.policies[l] = p
	}
	for l := range old.policies {
		if next.policies[l] == nil {
			touched = append(touched, l)
		}
	}
	s.view.Store(next)
	return touched
}

// states is the snapshot behind one scrape.
func (s *Server) states() []linkState {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]linkState, 0, len(s.links))
	for _, l := range s.links {
		all = append(all, linkState{proxy: l.shownLocked(), connections: l.open(), active: s.activeLocked(l), metrics: l.metrics})
	}
	return all
}

// activeLocked counts what is in force on l by type.
func (s *Server) activeLocked(l *link) map[string]int {
	active := make(map[string]int)
	for _, t := range l.toxics {
		active[t.typ]++
	}
	for _, f := range l.faults {
		active[f.Type]++
	}
	for _, p := range s.partitions {
		if !p.effect(l.source, l.target).none() {
			active[p.Mode]++
		}
	}
	return active
}

// sortedLinksLocked returns every link by name.
func (s *Server) sortedLinksLocked() []*link {
	return slices.SortedFunc(maps.Values(s.links), func(a, b *link) int { return strings.Compare(a.name, b.name) })
}
