package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// timeline carries out the steps in order. The first that cannot be carried out ends it.
func (r *run) timeline(ctx context.Context) error {
	start := time.Now()
	for i := range r.s.Timeline {
		st := &r.s.Timeline[i]
		due := time.Now().Add(time.Duration(st.After))
		if at := start.Add(time.Duration(st.At)); at.After(due) {
			due = at
		}
		r.phase(st.Name)
		if err := sleepUntil(ctx, due); err != nil {
			return err
		}
		if err := r.step(ctx, i, st); err != nil {
			return fmt.Errorf("step %d (%s): %w", i+1, st.Name, err)
		}
	}
	return nil
}

func sleepUntil(ctx context.Context, due time.Time) error {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step carries out one step.
func (r *run) step(ctx context.Context, i int, st *Step) error {
	var nodes []string
	var err error
	switch st.action() {
	case "await":
		nodes, err = r.await(ctx, st.Await, st.Within.Of(defaultWithin))
	case "bind":
		nodes, err = r.pick(ctx, i, st.Bind, st, nil)
	case "partition":
		err = r.partition(ctx, i, st)
	case "drop", "delay":
		err = r.disturb(ctx, i, st)
	case "preset":
		err = r.preset(ctx, st)
	case "heal":
		err = r.heal(ctx, st.Heal)
	case "load":
		err = r.steer(ctx, st)
	case "pin":
		err = r.pin(ctx, i, st)
	case "unpin":
		r.load.Unpin()
	case "snapshot":
		nodes, err = r.snapshot(ctx, i, st)
	case "start":
		nodes, err = r.join(ctx, i, st)
	case "wipe":
		nodes, err = r.wipe(ctx, i, st)
	case "members":
		err = r.changeMembers(ctx, i, st)
	case "transfer":
		nodes, err = r.transfer(ctx, i, st)
	case "fill":
		err = r.fill(ctx, st)
	default:
		nodes, err = r.act(ctx, i, st)
	}
	if err != nil {
		return err
	}
	if st.As != "" {
		if len(nodes) == 0 {
			return fmt.Errorf("no node to call %s: what was waited for has passed already", st.As)
		}
		r.bound[st.As] = nodes
		r.log.Info("bound", "name", st.As, "nodes", nodes)
	}
	return nil
}

// field is what a step's selectors pick from. What it draws depends on the seed and the step alone.
func (r *run) field(eligible, taken []string, step int) field {
	if eligible == nil {
		eligible = r.present()
	}
	now := r.cluster.Snapshot()
	return field{
		nodes: r.cluster.Nodes(), voters: r.voters(now), eligible: eligible, leader: r.leader(now),
		bound: r.bound, taken: taken, rand: rand.New(rand.NewPCG(r.o.Seed, uint64(step)+1)),
	}
}

// pick resolves a selector among the nodes that the step's action can act on, and waits for a leader
// if it speaks of roles.
func (r *run) pick(ctx context.Context, i int, s *Selector, st *Step, taken []string) ([]string, error) {
	if s.needsLeader() {
		within := st.Within.Of(defaultWithin)
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		err := r.cluster.Await(ctx, "a leader", func(now cluster.Snapshot) bool { return r.leader(now) != "" })
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, &stall{what: fmt.Sprintf("a leader, for %v", within), owed: true}
		}
		if err != nil {
			return nil, err
		}
	}
	return s.pick(r.field(r.eligible(st.action()), taken, i))
}

// eligible are the nodes that an action can act on.
func (r *run) eligible(action string) []string {
	var nodes []string
	for _, e := range r.cluster.Endpoints() {
		ok := true
		switch action {
		case "kill", "power", "stop":
			ok = e.State == cluster.Running || e.State == cluster.Paused
		case "pause", "snapshot", "transfer":
			ok = e.State == cluster.Running
		case "resume":
			ok = e.State == cluster.Paused
		case "start":
			ok = e.State == cluster.Absent
		case "wipe":
			ok = e.HTTP != "" && (e.State == cluster.Down || e.State == cluster.Absent)
		case "bind", "restart":
			ok = e.State != cluster.Absent
		}
		if ok {
			nodes = append(nodes, e.ID)
		}
	}
	return nodes
}

// hits asks the proxy how often its faults have taken effect so far, by link.
func (r *run) hits(ctx context.Context) (map[string]float64, error) {
	s, err := r.scraper.ScrapeNow(ctx, proxyName)
	if err != nil {
		return nil, fmt.Errorf("ask the proxy for its counts: %w", err)
	}
	return hitsByLink(s), nil
}

// begin enters a fault into the ledger and moves the mark, just before the fault takes effect.
func (r *run) begin(ctx context.Context, st *Step, target string, nodes []string, links []cluster.Link) (*entry, error) {
	var hits map[string]float64
	if len(links) > 0 {
		var err error
		if hits, err = r.hits(ctx); err != nil {
			return nil, err
		}
	}
	r.note()
	r.log.Info("fault begins", "fault", st.Name, "kind", st.action(), "target", target, "nodes", nodes, "links", len(links))
	return r.ledger.begin(st, target, nodes, links, r.mark.snapshot, hits), nil
}

func (r *run) end(ctx context.Context, entries []*entry) error {
	var hits map[string]float64
	if slices.ContainsFunc(entries, func(e *entry) bool { return len(e.Links) > 0 }) {
		var err error
		if hits, err = r.hits(ctx); err != nil {
			return err
		}
	}
	for _, e := range entries {
		e.end(r.cluster.Snapshot(), hits)
		r.log.Info("fault ends", "fault", e.Name, "effect", e.Effect)
	}
	return nil
}

// act does to nodes what the step says: kill, power, stop, restart, pause or resume.
func (r *run) act(ctx context.Context, i int, st *Step) ([]string, error) {
	target := st.target()
	nodes, err := r.pick(ctx, i, target, st, nil)
	if err != nil {
		return nil, err
	}
	switch st.action() {
	case "restart":
		return nodes, r.restart(ctx, nodes)
	case "resume":
		return nodes, r.resume(ctx, nodes)
	}
	e, err := r.begin(ctx, st, target.String(), nodes, nil)
	if err != nil {
		return nil, err
	}
	switch st.action() {
	case "kill":
		err = r.cluster.Kill(nodes)
		e.Effect[effectExits] = float64(len(nodes))
	case "stop":
		err = r.cluster.Stop(ctx, nodes)
		e.Effect[effectExits] = float64(len(nodes))
	case "pause":
		err = r.cluster.Pause(ctx, nodes)
		e.Effect[effectStops] = float64(len(nodes))
	case "power":
		var cuts map[string]cluster.Cut
		cuts, err = r.cluster.Power(nodes)
		e.Effect[effectExits] = float64(len(nodes))
		for node, cut := range cuts {
			e.Effect[effectBytes] += float64(cut.Bytes)
			r.log.Info("power lost", "node", node, "bytes", cut.Bytes, "files", cut.Files, "names", cut.Names, "spared", cut.Spare)
		}
	}
	return nodes, err
}

func (r *run) restart(ctx context.Context, nodes []string) error {
	r.note()
	if err := r.cluster.Restart(ctx, nodes); err != nil {
		return err
	}
	return r.end(ctx, r.ledger.back(nodes, "kill", "power", "stop"))
}

func (r *run) resume(ctx context.Context, nodes []string) error {
	r.note()
	if err := r.cluster.Resume(nodes); err != nil {
		return err
	}
	return r.end(ctx, r.ledger.back(nodes, "pause"))
}

// steer pauses, drains or resumes the load.
func (r *run) steer(ctx context.Context, st *Step) error {
	switch st.Load {
	case "resume":
		r.load.Resume()
		return nil
	case "drain":
		ctx, cancel := context.WithTimeout(ctx, st.Within.Of(defaultWithin))
		defer cancel()
		r.load.Pause()
		return r.load.Drain(ctx)
	}
	r.load.Pause()
	return nil
}

func (r *run) pin(ctx context.Context, i int, st *Step) error {
	nodes, err := r.pick(ctx, i, st.Pin.Node, st, nil)
	if err != nil {
		return err
	}
	if len(nodes) != 1 {
		return fmt.Errorf("clients can be pinned to one node, %q is %d", st.Pin.Node, len(nodes))
	}
	r.load.Pin(nodes[0], st.Pin.Clients, st.Pin.Reads)
	return nil
}

// endpoints is where clients may go: every node that has run, also one that is down, as a real client would try it.
func (r *run) endpoints() []load.Node {
	var nodes []load.Node
	for _, e := range r.cluster.Endpoints() {
		if e.HTTP == "" {
			continue
		}
		nodes = append(nodes, load.Node{ID: e.ID, URL: e.HTTP})
	}
	return nodes
}

// targets is what is scraped: the proxy and the nodes that can answer.
func (r *run) targets() []observe.Target {
	all := []observe.Target{{Node: proxyName, URL: r.cluster.ProxyURL() + "/metrics"}}
	for _, e := range r.cluster.Endpoints() {
		if e.State == cluster.Running {
			all = append(all, observe.Target{Node: e.ID, URL: e.HTTP + "/metrics"})
		}
	}
	return all
}
