package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/observe"
)

// started are the nodes that have run.
func (r *run) started() []string {
	var nodes []string
	for _, e := range r.cluster.Endpoints() {
		if e.HTTP != "" {
			nodes = append(nodes, e.ID)
		}
	}
	return nodes
}

// present are the nodes that run, or could be restarted.
func (r *run) present() []string {
	var nodes []string
	for _, e := range r.cluster.Endpoints() {
		if e.State != cluster.Absent {
			nodes = append(nodes, e.ID)
		}
	}
	return nodes
}

// voters make up the majorities: of the newest configuration that is committed, or, before any is known, the founders.
func (r *run) voters(s cluster.Snapshot) []string {
	if c := s.Configuration(); len(c.Members) > 0 {
		return c.IDs(observe.Voter, observe.Leaving)
	}
	return r.cluster.Nodes()[:r.s.Cluster.Nodes]
}

// members are all that must catch up in the end.
func (r *run) members() []string {
	return r.cluster.Snapshot().Configuration().IDs(observe.Voter, observe.Leaving, observe.Joining, observe.Learner)
}

// join starts nodes that have nothing.
func (r *run) join(ctx context.Context, i int, st *Step) ([]string, error) {
	nodes, err := r.pick(ctx, i, st.Start, st, nil)
	if err != nil {
		return nil, err
	}
	r.note()
	if err := r.cluster.Join(ctx, nodes); err != nil {
		return nil, err
	}
	return nodes, r.end(ctx, r.ledger.back(nodes, "kill", "power", "stop"))
}

// wipe takes the disks of nodes that are down.
func (r *run) wipe(ctx context.Context, i int, st *Step) ([]string, error) {
	nodes, err := r.pick(ctx, i, st.Wipe, st, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, st.Within.Of(defaultWithin))
	defer cancel()
	known := r.directories(ctx)
	r.log.Info("wipe", "nodes", nodes, "known", known)
	r.note()
	return nodes, r.cluster.Wipe(nodes, known)
}

// directories are the ids by which the nodes that run know the members' data directories. What cannot be learned stays
// unknown.
func (r *run) directories(ctx context.Context) map[string]string {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	known := map[string]string{}
	for _, n := range r.running() {
		attempt, cancel := context.WithTimeout(ctx, orderTimeout)
		status, answer, err := order(attempt, client, http.MethodGet, r.url(n)+"/v1/members", nil)
		cancel()
		var body struct {
			Committed bool
			Members   []struct{ ID, Directory string }
		}
		if err != nil || status != http.StatusOK || json.Unmarshal(answer, &body) != nil || !body.Committed {
			continue
		}
		for _, m := range body.Members {
			if known[m.ID] == "" {
				known[m.ID] = m.Directory
			}
		}
	}
	return known
}

// change is a change of members that a step asks for.
type change struct {
	add, remove []string
	since       uint64 // index of the configuration before it
}

func (c change) body() []byte {
	type member struct {
		ID string `json:"id"`
	}
	order := struct {
		Add    []member `json:"add,omitempty"`
		Remove []string `json:"remove,omitempty"`
	}{Remove: c.remove}
	for _, n := range c.add {
		order.Add = append(order.Add, member{n})
	}
	text, err := json.Marshal(order)
	if err != nil {
		panic(fmt.Sprintf("encode a change of members: %v", err)) // strings always encode
	}
	return text
}

func (c change) String() string {
	var words []string
	if len(c.add) > 0 {
		words = append(words, "adding "+strings.Join(c.add, ", "))
	}
	if len(c.remove) > 0 {
		words = append(words, "removing "+strings.Join(c.remove, ", "))
	}
	return strings.Join(words, " and ")
}

// over reports whether the newest configuration is what the change leads to.
func (c change) over(s cluster.Snapshot) bool {
	now := s.Configuration()
	voters := now.IDs(observe.Voter)
	return now.Settled() && now.Index > c.since &&
		!slices.ContainsFunc(c.add, func(n string) bool { return !slices.Contains(voters, n) }) &&
		!slices.ContainsFunc(c.remove, func(n string) bool { return slices.Contains(voters, n) })
}

// begun reports whether a node that runs has the change in its log.
func (c change) begun(s cluster.Snapshot) bool {
	for _, v := range s.Views {
		now := v.Configuration
		joining, leaving := now.IDs(observe.Joining), now.IDs(observe.Leaving)
		if now.Index > c.since && slices.Equal(joining, c.add) && slices.Equal(leaving, c.remove) {
			return true
		}
	}
	return false
}

// changeMembers asks for other members until they are there.
func (r *run) changeMembers(ctx context.Context, i int, st *Step) error {
	c := change{since: r.cluster.Snapshot().Configuration().Index}
	for _, part := range []struct {
		selector *Selector
		into     *[]string
	}{{st.Members.Add, &c.add}, {st.Members.Remove, &c.remove}} {
		if part.selector == nil {
			continue
		}
		picked, err := r.pick(ctx, i, part.selector, st, nil)
		if err != nil {
			return err
		}
		*part.into = picked
	}
	within := st.Within.Of(defaultWithin)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r.note()
	asking, stop := context.WithCancelCause(ctx)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if err := r.insistOn(asking, c, r.leaderURL); err != nil {
			stop(err) // there is nothing to wait for
		}
	}()
	err := r.cluster.Await(asking, c.String(), func(s cluster.Snapshot) bool {
		return c.over(s) || st.Members.Begin && c.begun(s)
	})
	if refused, ok := errors.AsType[*wrong](context.Cause(asking)); ok {
		err = refused
	}
	stop(nil)
	<-asked
	return late(err, c.String(), within)
}

// leaderURL is where the leader is, or, while none is known, some node that may know.
func (r *run) leaderURL(try int) string {
	if node := r.leader(r.cluster.Snapshot()); node != "" {
		return r.url(node)
	}
	return r.anyURL(try)
}

// insistOn asks for a change until a node says that it is over, or that it makes no sense.
func (r *run) insistOn(ctx context.Context, c change, where func(try int) string) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	taken := false // perhaps: what is refused afterwards may be because of that
	for try := 0; ; try++ {
		url := where(try)
		status, answer, err := order(ctx, client, http.MethodPost, url+"/v1/members", c.body())
		r.log.Info("change of members", "change", c.String(), "asked", url, "status", status, "answer", string(answer), "err", err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil, status == http.StatusAccepted, status == http.StatusGatewayTimeout:
			taken = true
		case status == http.StatusOK:
			return nil
		case status == http.StatusBadRequest && !taken:
			return &wrong{fmt.Sprintf("%s is refused by %s: %s", c, url, answer)}
		}
		if err := sleepUntil(ctx, time.Now().Add(orderRetry)); err != nil {
			return err
		}
	}
}

// votersWish holds once the voters are exactly these, and all of them that run know that no change is under way.
func (r *run) votersWish(of *Selector, want []string) wish {
	return wish{"the voters " + of.String(), true, func(s cluster.Snapshot) bool {
		knows := func(c cluster.Configuration) bool { return c.Settled() && slices.Equal(c.IDs(observe.Voter), want) }
		return knows(s.Configuration()) && !slices.ContainsFunc(want, func(n string) bool {
			return r.cluster.State(n) == cluster.Running && !knows(s.Views[n].Configuration)
		})
	}}
}

// exited waits until nodes have ended by themselves, with an error and the words expected.
func (r *run) exited(ctx context.Context, x *Exited, within time.Duration) error {
	if x == nil {
		return nil
	}
	nodes, err := x.Of.pick(r.field(nil, nil, 0))
	if err != nil {
		return err
	}
	for _, n := range nodes {
		exit, err := r.cluster.AwaitExit(ctx, n)
		if err != nil {
			return late(err, fmt.Sprintf("the end of %s", n), within)
		}
		r.log.Info("ended by itself", "node", n, "how", exit.How)
		r.ledger.ended(n, exit.Mono)
		if exit.Clean || !strings.Contains(exit.How, x.Saying) {
			return &wrong{fmt.Sprintf("%s ended with %q: an error was to be told, with %q", n, exit.How, x.Saying)}
		}
	}
	return nil
}

// quiet passes if for so long nobody is elected and no term begins.
func (r *run) quiet(ctx context.Context, long time.Duration) error {
	if long == 0 {
		return nil
	}
	since := r.cluster.Snapshot()
	quiet, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	err := r.cluster.Await(quiet, "trouble", func(s cluster.Snapshot) bool {
		return len(s.Elections) > len(since.Elections) || s.MaxTerm() > since.MaxTerm()
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	if err == nil {
		now := r.cluster.Snapshot()
		err = &stall{owed: true, what: fmt.Sprintf("%v without an election: the highest term went from %d to %d, elected were %v",
			long, since.MaxTerm(), now.MaxTerm(), now.Elections[len(since.Elections):])}
	}
	return err
}
