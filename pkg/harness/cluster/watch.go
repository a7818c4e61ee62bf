package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"whitewater/pkg/harness/observe"
)

// View is what a node's event log has told so far.
type View struct {
	Incarnation   string
	Starts        int           // incarnations seen
	Term          uint64        // current
	Role          string        // follower, pre_candidate, candidate, leader
	Leader        string        // as this node believes; "" = none known
	Begins        uint64        // the log begins behind this index
	Last          uint64        // last log index
	Commit        uint64        // commit index of this incarnation
	Campaigns     int           // times it asked for votes or pre-votes, over all incarnations
	Truncations   int           // times it cut off the end of its log, over all incarnations
	Snapshots     int           // snapshots of its own that it has taken, over all incarnations
	Installs      int           // leaders' snapshots that took the place of its log, over all incarnations
	Receives      bool          // a leader's snapshot is half here
	OldRole       string        // the role before this one
	Configuration Configuration // in force
}

// Configuration is who the members are, as one node sees it.
type Configuration struct {
	Index     uint64
	Committed bool
	Joint     bool
	Members   []observe.Member
}

// Settled reports whether no change is under way.
func (c Configuration) Settled() bool {
	return c.Committed && !c.Joint && !slices.ContainsFunc(c.Members, func(m observe.Member) bool {
		return m.Suffrage == observe.Joining || m.Suffrage == observe.Leaving
	})
}

// IDs are the members of the suffrages given, in order.
func (c Configuration) IDs(suffrages ...string) []string {
	var ids []string
	for _, m := range c.Members {
		if slices.Contains(suffrages, m.Suffrage) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// Election is one leader taking office.
type Election struct {
	Node    string
	Term    uint64
	Mono    int64 // CLOCK_MONOTONIC nanoseconds
	PreVote bool  // it asked first whether it could be elected; without that, a leader had told it to campaign (or pre-vote is off)
}

// receiving is the file in a node's data directory that holds what has come of a leader's snapshot (docs/storage.md).
const receiving = "snap/receiving"

// Snapshot is what all nodes' event logs have told so far.
type Snapshot struct {
	Views     map[string]View
	Elections []Election // in the order in which they were read
}

// Configuration is the newest committed one that any node knows.
func (s Snapshot) Configuration() Configuration {
	var newest Configuration
	for _, v := range s.Views {
		if c := v.Configuration; c.Committed && len(c.Members) > 0 && (c.Index > newest.Index || newest.Members == nil) {
			newest = c
		}
	}
	return newest
}

// MaxTerm is the highest term that any node has reached.
func (s Snapshot) MaxTerm() uint64 {
	var term uint64
	for _, v := range s.Views {
		term = max(term, v.Term)
	}
	return term
}

// MaxCommit is the highest index that any node has known to be committed.
func (s Snapshot) MaxCommit() uint64 {
	var index uint64
	for _, v := range s.Views {
		index = max(index, v.Commit)
	}
	return index
}

// watcher folds the nodes' event logs into views.
type watcher struct {
	feed   *observe.Feed
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex // guards all below
	views     map[string]View
	elections []Election
	changed   chan struct{} // closed and replaced on each change
	err       error         // the feed's, once it cannot go on
}

// newWatcher follows one event log for each node; none need exist yet.
func newWatcher(paths map[string]string, logger *slog.Logger) *watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{
		feed: observe.NewFeed(observe.FeedOptions{Names: viewed(), Logger: logger}), cancel: cancel, done: make(chan struct{}),
		views: map[string]View{}, changed: make(chan struct{}),
	}
	for node, path := range paths {
		w.feed.Add(node, path)
		w.views[node] = View{}
	}
	go w.run(ctx)
	return w
}

// viewed are the events that a view is made of.
func viewed() []string {
	return []string{
		observe.EventStart, observe.EventRole, observe.EventLeader, observe.EventAppend, observe.EventTruncate, observe.EventCommit,
		observe.EventSnapshot, observe.EventInstall, observe.EventCreate, observe.EventRename, observe.EventRemove,
		observe.EventConfiguration, observe.EventWipe,
	}
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	position := 0
	for {
		e, next, err := w.feed.Await(ctx, position, func(observe.Event) bool { return true })
		if err != nil {
			w.fail(ctx, err)
			return
		}
		position = next
		w.apply(e)
	}
}

// fail ends every wait, unless the watcher is being closed.
func (w *watcher) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watcher) apply(e observe.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.views[e.Node]
	if e.Event == observe.EventRole && e.Role == observe.RoleLeader {
		w.elections = append(w.elections, Election{Node: e.Node, Term: e.Term, Mono: e.Mono, PreVote: v.OldRole == "pre_candidate"})
	}
	v.step(e)
	w.views[e.Node] = v
	close(w.changed)
	w.changed = make(chan struct{})
}

func (v *View) step(e observe.Event) {
	v.Term = max(v.Term, e.Term)
	switch e.Event {
	case observe.EventWipe:
		*v = View{Starts: v.Starts, Campaigns: v.Campaigns, Truncations: v.Truncations, Snapshots: v.Snapshots, Installs: v.Installs}
	case observe.EventConfiguration:
		v.Configuration = Configuration{Index: e.Index, Committed: e.Committed, Joint: e.Joint, Members: e.Members}
	case observe.EventStart:
		*v = View{
			Incarnation: e.Inc, Term: e.Term, Role: "follower", Begins: max(e.First, 1) - 1, Last: e.Last, Commit: max(e.First, 1) - 1,
			Starts: v.Starts + 1, Campaigns: v.Campaigns, Truncations: v.Truncations, Snapshots: v.Snapshots, Installs: v.Installs,
		}
	case observe.EventRole:
		v.Role, v.OldRole = e.Role, e.OldRole
		if e.Role == "candidate" || e.Role == "pre_candidate" {
			v.Campaigns++
		}
	case observe.EventLeader:
		v.Leader = e.Leader
	case observe.EventAppend:
		v.Last = e.Last
	case observe.EventTruncate:
		v.Last = e.From - 1
		v.Truncations++
	case observe.EventCommit:
		v.Commit = max(v.Commit, e.Last)
	case observe.EventSnapshot:
		v.Begins = max(v.Begins, e.First)
		v.Snapshots++
	case observe.EventInstall:
		v.Begins, v.Last, v.Commit = e.Last, e.Last, max(v.Commit, e.Last)
		v.Installs++
	case observe.EventCreate:
		v.Receives = v.Receives || e.File == receiving
	case observe.EventRename, observe.EventRemove:
		v.Receives = v.Receives && e.File != receiving
	}
}

func (w *watcher) snapshot() (Snapshot, <-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Snapshot{Views: maps.Clone(w.views), Elections: w.elections[:len(w.elections):len(w.elections)]}, w.changed, w.err
}

// await returns once cond holds; what names the thing waited for.
func (w *watcher) await(ctx context.Context, what string, cond func(Snapshot) bool) error {
	for {
		s, changed, err := w.snapshot()
		if err != nil {
			return fmt.Errorf("read event logs: %w", err)
		}
		if cond(s) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w", what, ctx.Err())
		}
	}
}

func (w *watcher) close() {
	w.cancel()
	<-w.done
	w.feed.Stop()
}
