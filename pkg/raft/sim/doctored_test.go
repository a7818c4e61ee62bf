package sim

import (
	"context"
	"io"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// doctored is the ledger service with machines that have something wrong with them.
type doctored struct {
	made   int
	doctor func(made int, m *patient)
}

// doctor makes a service. made counts its machines from 0: in a run, the node's number, until nodes start again.
func doctor(spoil func(made int, m *patient)) Service { return &doctored{doctor: spoil} }

func (d *doctored) NewMachine() Machine {
	m := &patient{ledger: ledgers{}.NewMachine().(*ledger)}
	d.doctor(d.made, m)
	d.made++
	return m
}

// patient is a ledger; what is not nil takes the place of its own.
type patient struct {
	*ledger
	apply    func([]protocol.Entry) error
	read     func(key string) Value
	answer   func(op Operation, answer Answer, ended bool) (Answer, bool)
	effects  func() []Effect
	digest   func() uint64
	snapshot func() (func(io.Writer) error, error)
	restore  func(protocol.Position) error
}

// own applies entries as the ledger does.
func (p *patient) own(entries []protocol.Entry) error {
	return p.ledger.Apply(context.Background(), entries)
}

func (p *patient) Apply(ctx context.Context, entries []protocol.Entry) error {
	if p.apply != nil {
		return p.apply(entries)
	}
	return p.ledger.Apply(ctx, entries)
}

func (p *patient) Read(key string) Value {
	if p.read != nil {
		return p.read(key)
	}
	return p.ledger.Read(key)
}

func (p *patient) Write(op Operation, now time.Time, propose func([]byte) (protocol.Position, error)) (func() (Answer, bool), error) {
	answer, err := p.ledger.Write(op, now, propose)
	if p.answer == nil || err != nil {
		return answer, err
	}
	return func() (Answer, bool) {
		own, ended := answer()
		return p.answer(op, own, ended)
	}, nil
}

func (p *patient) Effects() []Effect {
	if p.effects != nil {
		return p.effects()
	}
	return p.ledger.Effects()
}

func (p *patient) Digest() uint64 {
	if p.digest != nil {
		return p.digest()
	}
	return p.ledger.Digest()
}

func (p *patient) Snapshot() (func(io.Writer) error, error) {
	if p.snapshot != nil {
		return p.snapshot()
	}
	return p.ledger.Snapshot()
}

func (p *patient) Restore(ctx context.Context, at protocol.Position, snapshot io.Reader) error {
	if p.restore != nil {
		return p.restore(at)
	}
	return p.ledger.Restore(ctx, at, snapshot)
}

// quiet is a plan in which nothing goes wrong and two clients do a bit of everything, with change made to it.
func quiet(changes ...func(*Plan)) Plan {
	p := Plan{
		Seed: 1, Nodes: 3, Duration: 6 * time.Second, Clients: 2,
		Network: Network{Delay: 2 * time.Millisecond}, Disk: Disk{Latency: time.Millisecond},
	}
	kinds := []OperationKind{Append, Get, Append, Create, Get, Put, Delete, Get, Create}
	for i := range 40 {
		p.Requests = append(p.Requests, Request{At: 2*time.Second + time.Duration(i)*100*time.Millisecond, Client: i % 2, Kind: kinds[i%len(kinds)], Key: i / 3 % 3})
	}
	for _, change := range changes {
		change(&p)
	}
	return p
}

// suffers adds faults to a plan.
func suffers(faults ...Fault) func(*Plan) {
	return func(p *Plan) { p.Faults = append(p.Faults, faults...) }
}

// idle takes the clients' requests away.
func idle(p *Plan) { p.Requests = nil }

// stage runs a plan up to a moment, for a test to go on from there.
func stage(t *testing.T, plan Plan, until time.Duration) *run {
	t.Helper()
	return stageTraced(t, Options{Service: ledgers{}}, plan, until)
}

func stageTraced(t *testing.T, o Options, plan Plan, until time.Duration) *run {
	t.Helper()
	r := newRun(o, plan)
	r.begin()
	r.advance(until, never)
	if r.failure != nil {
		t.Fatalf("%s at %v: %s", r.failure.Check, r.failure.At, r.failure.Message)
	}
	return r
}

// follower is a live node that does not lead.
func follower(r *run) *server {
	for _, s := range r.servers {
		if s.up && s != r.leader() {
			return s
		}
	}
	return nil
}
