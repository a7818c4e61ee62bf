package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
)

// mark is where counts begin: the state just before the last step that did something.
type mark struct {
	ok       int // operations acknowledged
	snapshot cluster.Snapshot
}

// stall is an await that ran out of time.
type stall struct {
	what string
	owed bool // a correct cluster would have done it
}

func (e *stall) Error() string { return "waited in vain for " + e.what }

// wish is one thing that an await waits for.
type wish struct {
	what string
	owed bool // by a correct cluster, whatever the load
	met  func(cluster.Snapshot) bool
}

// await waits for all that a names and returns the node that `as` binds, if there is one.
func (r *run) await(ctx context.Context, a *Await, within time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if a.Ops > 0 {
		if err := r.awaitOps(ctx, a.Ops); err != nil {
			return nil, err
		}
	}
	wishes, err := r.wishes(a)
	if err != nil {
		return nil, err
	}
	for _, w := range wishes {
		if err := r.cluster.Await(ctx, w.what, w.met); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return nil, &stall{what: fmt.Sprintf("%s, for %v", w.what, within), owed: w.owed}
			}
			return nil, err
		}
	}
	if err := r.exited(ctx, a.Exited, within); err != nil {
		return nil, err
	}
	if err := r.quiet(ctx, time.Duration(a.Quiet)); err != nil {
		return nil, err
	}
	return r.awaited(a)
}

func (r *run) awaitOps(ctx context.Context, n int) error {
	left := r.mark.ok + n - r.load.Stats().Total.OK
	if left <= 0 {
		return nil
	}
	if err := r.load.AwaitOK(ctx, left); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return &stall{what: fmt.Sprintf("%d acknowledged operations (%d were)", n, r.load.Stats().Total.OK-r.mark.ok)}
		}
		return err
	}
	return nil
}

// wishes lists what an await waits for, in the order in which it is waited for.
func (r *run) wishes(a *Await) ([]wish, error) {
	since := r.mark.snapshot
	var all []wish
	var errs []error
	nodes := func(s *Selector) []string {
		picked, err := s.pick(r.field(nil, nil, 0))
		errs = append(errs, err)
		return picked
	}
	add := func(owed bool, what string, met func(cluster.Snapshot) bool) {
		all = append(all, wish{what, owed, met})
	}
	if a.Terms > 0 {
		add(false, fmt.Sprintf("%d new terms", a.Terms), func(s cluster.Snapshot) bool { return s.MaxTerm() >= since.MaxTerm()+uint64(a.Terms) })
	}
	if a.Campaigning != nil {
		set := nodes(a.Campaigning)
		add(false, "a campaign of "+a.Campaigning.String(), func(s cluster.Snapshot) bool { return campaigner(set, since, s) != "" })
	}
	if a.Elected != nil {
		set := nodes(a.Elected)
		add(true, "an election of "+a.Elected.String(), func(s cluster.Snapshot) bool { return r.elected(set, since, s) != "" })
	}
	if a.Leader != nil {
		set := nodes(a.Leader)
		add(true, a.Leader.String()+" leading", func(s cluster.Snapshot) bool { return slices.Contains(set, r.leader(s)) })
	}
	if a.NotLeader != nil {
		set := nodes(a.NotLeader)
		add(true, a.NotLeader.String()+" not leading", func(s cluster.Snapshot) bool {
			return !slices.ContainsFunc(set, func(n string) bool { return s.Views[n].Role == "leader" })
		})
	}
	if a.Truncated != nil {
		set := nodes(a.Truncated)
		add(false, a.Truncated.String()+" cutting off a tail", func(s cluster.Snapshot) bool {
			return !slices.ContainsFunc(set, func(n string) bool { return s.Views[n].Truncations <= since.Views[n].Truncations })
		})
	}
	if a.Tail != nil {
		set := nodes(a.Tail.Of)
		add(false, fmt.Sprintf("%d uncommitted entries of %s", a.Tail.Entries, a.Tail.Of), func(s cluster.Snapshot) bool {
			return !slices.ContainsFunc(set, func(n string) bool { return s.Views[n].Last < s.Views[n].Commit+uint64(a.Tail.Entries) })
		})
	}
	if a.Commits > 0 {
		add(true, fmt.Sprintf("%d more commits", a.Commits), func(s cluster.Snapshot) bool { return s.MaxCommit() >= since.MaxCommit()+uint64(a.Commits) })
	}
	all = append(all, snapshotWishes(a, since, nodes)...)
	if a.Voters != nil {
		all = append(all, r.votersWish(a.Voters, nodes(a.Voters)))
	}
	if a.CaughtUp != nil {
		add(true, a.CaughtUp.String()+" catching up", r.caughtUp(nodes(a.CaughtUp)))
	}
	return all, errors.Join(errs...)
}

// caughtUp holds once nodes have committed all that any node has committed now.
func (r *run) caughtUp(nodes []string) func(cluster.Snapshot) bool {
	goal := r.cluster.Snapshot().MaxCommit()
	return func(s cluster.Snapshot) bool {
		return !slices.ContainsFunc(nodes, func(n string) bool {
			return s.Views[n].Commit < goal || r.cluster.State(n) != cluster.Running
		})
	}
}

// awaited is the node that the conditions were met by.
func (r *run) awaited(a *Await) ([]string, error) {
	since, now := r.mark.snapshot, r.cluster.Snapshot()
	pick := func(s *Selector, by func([]string) string) ([]string, error) {
		set, err := s.pick(r.field(nil, nil, 0))
		if err != nil {
			return nil, err
		}
		if n := by(set); n != "" {
			return []string{n}, nil
		}
		return nil, nil // it has changed again meanwhile
	}
	switch {
	case a.Elected != nil:
		return pick(a.Elected, func(set []string) string { return r.elected(set, since, now) })
	case a.Leader != nil:
		return pick(a.Leader, func([]string) string { return r.leader(now) })
	case a.Campaigning != nil:
		return pick(a.Campaigning, func(set []string) string { return campaigner(set, since, now) })
	}
	return nil, nil
}

// leader is the running node that leads in the highest term; "" if none does.
func (r *run) leader(s cluster.Snapshot) string {
	best, term := "", uint64(0)
	for _, e := range r.cluster.Endpoints() {
		v := s.Views[e.ID]
		if e.State == cluster.Running && v.Role == "leader" && v.Term > term {
			best, term = e.ID, v.Term
		}
	}
	return best
}

// elected is the node of set that has been elected since and still leads; "" if none does.
func (r *run) elected(set []string, since, now cluster.Snapshot) string {
	for _, e := range now.Elections[len(since.Elections):] {
		v := now.Views[e.Node]
		if slices.Contains(set, e.Node) && v.Role == "leader" && v.Term == e.Term && r.cluster.State(e.Node) == cluster.Running {
			return e.Node
		}
	}
	return ""
}

// campaigner is a node of set that has asked for votes or pre-votes since; "" if none has.
func campaigner(set []string, since, now cluster.Snapshot) string {
	for _, n := range set {
		if now.Views[n].Campaigns > since.Views[n].Campaigns {
			return n
		}
	}
	return ""
}

// note moves the mark to now.
func (r *run) note() {
	r.mark = mark{snapshot: r.cluster.Snapshot()}
	if r.load != nil {
		r.mark.ok = r.load.Stats().Total.OK
	}
}

// okText is how much load there has been, for messages.
func okText(s load.Stats) string {
	var words []string
	for _, k := range load.Kinds() {
		if c := s.ByKind[k]; c.OK > 0 {
			words = append(words, fmt.Sprintf("%s %d", k, c.OK))
		}
	}
	return strings.Join(words, ", ")
}
