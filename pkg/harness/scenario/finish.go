package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
)

const (
	defaultRecovery = 10 * time.Second
	drainTime       = 3 * time.Second // for operations in flight at the end
	finalReadTime   = 10 * time.Second
	fetchTime       = 10 * time.Second
	scrapeTime      = 3 * time.Second // a busy machine is no reason to lose a sample
)

// recover undoes every fault, waits until all nodes have caught up, and lets the load run dry.
func (r *run) recover(ctx context.Context) error {
	if err := r.heal(ctx, healAll); err != nil {
		return err
	}
	var paused, down []string
	for _, e := range r.cluster.Endpoints() {
		switch e.State {
		case cluster.Paused:
			paused = append(paused, e.ID)
		case cluster.Down:
			down = append(down, e.ID)
		}
	}
	if len(paused) > 0 {
		if err := r.resume(ctx, paused); err != nil {
			return err
		}
	}
	if len(down) > 0 {
		if err := r.restart(ctx, down); err != nil {
			return fmt.Errorf("restart %v: %w", down, err)
		}
	}
	// Under load still: a cluster that has healed must serve again, not only fall silent together.
	within := r.s.Expect.Recovery.Of(defaultRecovery)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := r.owe(ctx, "a leader after everything healed", func(s cluster.Snapshot) bool { return r.leader(s) != "" }, within); err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	return r.owe(ctx, "every node catching up after everything healed", r.caughtUp(r.members()), within)
}

// owe waits for what a healed cluster owes.
func (r *run) owe(ctx context.Context, what string, met func(cluster.Snapshot) bool, within time.Duration) error {
	err := r.cluster.Await(ctx, what, met)
	if errors.Is(err, context.DeadlineExceeded) {
		return &stall{what: fmt.Sprintf("%s, for %v", what, within), owed: true}
	}
	return err
}

// drain ends the load: no new operations, and those in flight get a while to end.
func (r *run) drain(ctx context.Context) error {
	drainCtx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	r.load.Pause()
	if err := r.load.Drain(drainCtx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain the load: %w", err)
	}
	r.load.Stop() // what is still in flight becomes unknown
	r.ended = load.Monotonic()
	return nil
}

// final asks the healed cluster what it holds, and stops it.
func (r *run) final(ctx context.Context) error {
	r.load.Stop()
	if r.ended == 0 {
		r.ended = load.Monotonic()
	}
	readCtx, cancel := context.WithTimeout(ctx, finalReadTime)
	defer cancel()
	if err := r.load.FinalReads(readCtx); err != nil {
		// A healed cluster owes answers; what else can go wrong here is the harness' own.
		verdict := check.Unknown
		if errors.Is(err, context.DeadlineExceeded) {
			verdict = check.Fail
		}
		r.find("final-reads", verdict, fmt.Errorf("read every key once more: %w", err))
	}
	r.fetchLogs(ctx)
	running := r.running()
	r.scrapeNodes(running)
	if _, err := r.hits(ctx); err != nil {
		r.find("proxy", check.Unknown, err)
	}
	if err := r.cluster.Stop(ctx, running); err != nil {
		r.find("clean-stop", check.Fail, err)
	}
	return nil
}

func (r *run) running() []string {
	var nodes []string
	for _, e := range r.cluster.Endpoints() {
		if e.State == cluster.Running {
			nodes = append(nodes, e.ID)
		}
	}
	return nodes
}

// fetchLogs asks every node for its log, once all have the same. A node that does not answer is left out.
func (r *run) fetchLogs(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, e := range r.cluster.Endpoints() {
		if e.State != cluster.Running {
			continue
		}
		log, err := fetchLog(ctx, client, e.HTTP)
		if err != nil {
			r.find("node-log", check.Unknown, fmt.Errorf("%s: %w", e.ID, err))
			continue
		}
		r.logs[e.ID] = log
	}
}

// scrapeNodes takes a last sample of nodes that are about to end. A node that does not answer any
// more is a sample with an error, which is what the judges see.
func (r *run) scrapeNodes(nodes []string) {
	if r.scraper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	var wait sync.WaitGroup
	for _, n := range slices.Clone(nodes) {
		wait.Go(func() {
			if _, err := r.scraper.ScrapeNow(ctx, n); err != nil {
				r.log.Debug("no last sample", "node", n, "err", err)
			}
		})
	}
	wait.Wait()
}
