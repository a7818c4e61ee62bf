package sim

import (
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

// run is one cluster under one plan.
type run struct {
	queue
	o    Options
	plan Plan

	servers  []*server // the founders first, then the spares
	byID     map[protocol.NodeID]*server
	network  network
	clients  []*client
	oracle   oracle
	liveness liveness
	history  history
	faults   faults

	digest     digest
	operations uint64 // begun
	events     int
	acting     protocol.NodeID // who was given an input last
	counts     map[string]int
	failure    *Failure // the first; nothing happens after it
}

// Run runs a cluster as plan says and judges it. It is one function of its arguments: no clock, no goroutine, no other
// randomness, but for the search for an order of all operations at its end, which after 20 s gives up: Counts["undecided"].
func Run(o Options, plan Plan) (report Report) {
	r := newRun(o, plan)
	defer func() { report = r.report() }()
	defer func() {
		if v := recover(); v != nil {
			r.broken(panicCheck(v), "%s: %v\n%s", r.acting, v, debug.Stack())
		}
	}()
	r.begin()
	r.advance(plan.Duration, never)
	r.heal()
	r.converge()
	return report
}

func never() bool { return false }

// panicCheck names the check that a panic of a node stands for.
func panicCheck(v any) string {
	name, _, found := strings.Cut(fmt.Sprint(v), ":")
	for _, c := range Checks {
		if found && c.Name == name {
			return name
		}
	}
	return NoPanic
}

func newRun(o Options, plan Plan) *run {
	r := &run{o: o, plan: plan, byID: map[protocol.NodeID]*server{}, counts: map[string]int{}}
	r.network = newNetwork(r)
	r.oracle = newOracle(r)
	r.liveness.r = r
	r.faults = newFaults(r)
	var founders []protocol.NodeID
	for i := range plan.Nodes {
		founders = append(founders, nodeID(i))
	}
	for i := range plan.Nodes + plan.Spares {
		s := newServer(r, i, founders)
		r.servers, r.byID[s.id] = append(r.servers, s), s
	}
	for i := range plan.Clients {
		r.clients = append(r.clients, newClient(r, i))
	}
	return r
}

// nodeID is the name of the node with a number from 0.
func nodeID(i int) protocol.NodeID { return protocol.NodeID(fmt.Sprintf("n%d", i+1)) }

// begin starts the nodes and plans the rest.
func (r *run) begin() {
	for _, s := range r.servers {
		s.start()
	}
	for _, request := range r.plan.Requests {
		if request.Client < len(r.clients) {
			c := r.clients[request.Client]
			r.at(request.At, func() { c.ask(request) })
		}
	}
	for _, f := range r.plan.Faults {
		r.at(f.At, func() { r.faults.strike(f) })
	}
	r.faults.operate()
}

// advance lets time pass until done, until a promise is broken, or for d. It reports whether done came true.
func (r *run) advance(d time.Duration, done func() bool) bool {
	for end := r.now + d; r.failure == nil && !done(); {
		if !r.next(end) {
			return done()
		}
	}
	return r.failure == nil
}

// time is the virtual time as nodes are told it.
func (r *run) time() time.Time { return time.Unix(0, 0).Add(r.now) }

// broken notes that a promise was broken, unless one was before.
func (r *run) broken(check, format string, args ...any) {
	if r.failure != nil {
		return
	}
	r.failure = &Failure{Check: check, At: r.now, Message: fmt.Sprintf(format, args...)}
	first, _, _ := strings.Cut(r.failure.Message, "\n")
	r.tell(Broken, "", func() string { return check + ": " + first })
}

// tell tells a step; its text is made only if somebody listens.
func (r *run) tell(kind StepKind, node protocol.NodeID, text func() string) {
	if r.o.Trace != nil {
		r.o.Trace(Step{At: r.now, Kind: kind, Node: node, Text: text()})
	}
}

func (r *run) report() Report {
	return Report{
		Plan: r.plan, Failure: r.failure, Digest: uint64(r.digest),
		Events: r.events, Simulated: r.now, Counts: r.counts,
	}
}
