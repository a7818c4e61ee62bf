package observe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"whitewater/pkg/harness/jsonlines"
)

// FeedOptions: zero means the default.
type FeedOptions struct {
	Interval time.Duration // between looks at the files; default 5ms
	Names    []string      // of the events to keep; default start, role, leader, vote, truncate, stop
	Logger   *slog.Logger  // nil discards
}

// Feed follows event logs while they grow. It keeps the rarer events, without their entries.
type Feed struct {
	options FeedOptions
	stop    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup

	mu     sync.Mutex // guards what follows
	logs   []*followed
	events []Event
	leads  map[string]uint64 // the term in which a node leads
	moved  chan struct{}     // closed and replaced when events have come
	err    error             // why nothing more will come
}

// followed is one file. The feed's goroutine alone reads it.
type followed struct {
	node, path string
	decoder    decoder
	offset     int64
	rest       []byte // half a line
}

var errFeedStopped = errors.New("the feed was stopped")

// NewFeed starts following; Add names the files.
func NewFeed(options FeedOptions) *Feed {
	options.Interval = cmp.Or(options.Interval, 5*time.Millisecond)
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if len(options.Names) == 0 {
		options.Names = []string{EventStart, EventRole, EventLeader, EventVote, EventTruncate, EventStop}
	}
	f := &Feed{options: options, stop: make(chan struct{}), leads: map[string]uint64{}, moved: make(chan struct{})}
	f.wg.Go(f.run)
	return f
}

// Add follows one node's event log from its beginning; the file need not exist yet. Once per node, over all restarts.
func (f *Feed) Add(node, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, &followed{node: node, path: path})
}

func (f *Feed) run() {
	ticker := time.NewTicker(f.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			f.fail(errFeedStopped)
			return
		case <-ticker.C:
		}
		f.mu.Lock()
		logs := f.logs
		f.mu.Unlock()
		for _, log := range logs {
			events, err := log.read()
			f.add(events)
			if err != nil {
				f.options.Logger.Error("event log unreadable", "node", log.node, "err", err)
				f.fail(fmt.Errorf("event log of %s: %w", log.node, err))
				return
			}
		}
	}
}

// read returns the events that have come since the last call.
func (l *followed) read() ([]Event, error) {
	file, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	grown, err := io.ReadAll(io.NewSectionReader(file, l.offset, jsonlines.MaxLineBytes))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	l.offset += int64(len(grown))
	l.rest = append(l.rest, grown...)
	var events []Event
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return events, nil
		}
		l.rest = rest
		e, ok, err := l.decoder.next(line)
		if err != nil {
			return events, err
		}
		if ok {
			e.Entries = nil
			events = append(events, e)
		}
	}
}

func (f *Feed) add(events []Event) {
	if len(events) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range events {
		if slices.Contains(f.options.Names, e.Event) {
			f.events = append(f.events, e)
		}
		switch e.Event {
		case EventRole, EventStart, EventStop:
			delete(f.leads, e.Node)
		}
		if e.Event == EventRole && e.Role == RoleLeader {
			f.leads[e.Node] = e.Term
		}
	}
	close(f.moved)
	f.moved = make(chan struct{})
}

func (f *Feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
		close(f.moved)
	}
}

// Position is behind the newest event: awaiting from here sees only what comes.
func (f *Feed) Position() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.events)
}

// Await returns the first event at or behind position that matches, and the position behind it; it waits
// for one. Events of several nodes come in the order in which the feed saw them.
func (f *Feed) Await(ctx context.Context, position int, match func(Event) bool) (Event, int, error) {
	for {
		f.mu.Lock()
		fresh, moved, err := f.events[min(position, len(f.events)):], f.moved, f.err
		f.mu.Unlock()
		for _, e := range fresh {
			position++
			if match(e) {
				return e, position, nil
			}
		}
		if err != nil {
			return Event{}, position, fmt.Errorf("await event: %w", err)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return Event{}, position, fmt.Errorf("await event: %w", ctx.Err())
		}
	}
}

// Events are those from position on.
func (f *Feed) Events(position int) []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Event(nil), f.events[min(position, len(f.events)):]...)
}

// Leader is the node that leads in the highest term, by the events; false if none does. A killed node leads
// on until it starts again: the feed sees files, not processes.
func (f *Feed) Leader() (node string, term uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n, t := range f.leads {
		if t > term {
			node, term, ok = n, t, true
		}
	}
	return node, term, ok
}

// Stop ends following; it may be called again.
func (f *Feed) Stop() {
	f.once.Do(func() { close(f.stop) })
	f.wg.Wait()
}
