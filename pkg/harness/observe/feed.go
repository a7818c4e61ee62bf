package observe

import (
	"context"
	"log/slog"
	"time"
)

// FeedOptions: zero means the default.
type FeedOptions struct {
	Interval time.Duration // between looks at the files; default 5ms
	Logger   *slog.Logger  // nil discards
}

// Feed follows event logs while they grow. It keeps the events, without their entries.
type Feed struct{}

// NewFeed starts following; Add names the files.
func NewFeed(options FeedOptions) *Feed { return &Feed{} }

// Add follows one node's event log from its beginning; the file need not exist yet. Once per node, over all restarts.
func (f *Feed) Add(node, path string) {}

// Position is behind the newest event: awaiting from here sees only what comes.
func (f *Feed) Position() int { return 0 }

// Await returns the first event at or behind position that matches, and the position behind it; it waits for one.
func (f *Feed) Await(ctx context.Context, position int, match func(Event) bool) (Event, int, error) {
	return Event{}, 0, nil
}

// Leader is the node that leads in the highest term, by the events; false if none does.
func (f *Feed) Leader() (node string, term uint64, ok bool) { return "", 0, false }

// Stop ends following; it may be called again.
func (f *Feed) Stop() {}
