package kv

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"strconv"
	"time"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/sim"
)

// What clients of a simulated cluster send never meets a limit, and no session of theirs expires.
const (
	simulatedTTL   = 24 * time.Hour
	simulatedLimit = 1 << 24 // bytes of a value, sessions
)

// simulated is the key-value service as the simulator runs it: the machine of a node with what waits on it, below HTTP.
type simulated struct {
	mutation protocol.Mutation
}

func (s simulated) NewMachine() sim.Machine {
	m := &simulatedMachine{machine: NewMachine(), waiting: map[uint64]attempt{}}
	m.machine.Mutate(s.mutation)
	return m
}

// simulatedMachine is a node's machine.
type simulatedMachine struct {
	machine *Machine
	waiting map[uint64]attempt // by session: the last that this node accepted
	effects []sim.Effect
	scratch []byte
	digest  uint64
	digests bool // digest is of the state as it is now
}

// attempt is a client's attempt at an operation.
type attempt struct {
	*proposal
	operation sim.Operation
}

// acceptor proposes, and is no replica otherwise.
type acceptor struct {
	Replica
	propose func(command []byte) (protocol.Position, error)
}

func (a acceptor) Propose(command []byte) (protocol.Position, error) { return a.propose(command) }

// Write proposes an operation as the service does. Of a session's writes one is in flight: its repeat gets the same
// answer, another one is refused, because the service would have it wait longer than a client does.
func (m *simulatedMachine) Write(o sim.Operation, now time.Time, propose func([]byte) (protocol.Position, error)) (func() (sim.Answer, bool), error) {
	c, err := simulatedCommand(o, now)
	if err != nil {
		return nil, err
	}
	made, earlier, err := m.machine.proposals.try(acceptor{propose: propose}, c.Session, c.Encode())
	if err != nil {
		return nil, err
	}
	a := attempt{made, o}
	if earlier != nil {
		if a = m.waiting[c.Session]; a.proposal != earlier || a.operation != o {
			return nil, errInFlight
		}
	}
	if c.Session != 0 {
		m.waiting[c.Session] = a
	}
	return a.poll, nil
}

// simulatedCommand is the command that a request for an operation makes.
func simulatedCommand(o sim.Operation, now time.Time) (Command, error) {
	c := Command{Time: uint64(max(0, now.UnixMilli()))}
	if o.Kind == sim.Open {
		c.Op, c.Limit, c.TTL = OpCreateSession, simulatedLimit, uint64(simulatedTTL.Milliseconds())
		return c, nil
	}
	var err error
	if c.Session, err = strconv.ParseUint(o.Session, 10, 64); err != nil {
		return c, fmt.Errorf("session of %+v: %w", o, err)
	}
	c.Sequence, c.Key, c.Value = o.Number, []byte(o.Key), []byte(o.Value)
	switch o.Kind {
	case sim.Put:
		c.Op = OpPut
	case sim.Append:
		c.Op, c.Limit = OpAppend, simulatedLimit
	case sim.Create:
		c.Op, c.Condition = OpPut, IfAbsent
	case sim.Delete:
		c.Op, c.Value = OpDelete, nil
	default:
		return c, fmt.Errorf("operation %q is no write", o.Kind)
	}
	return c, c.check()
}

// poll tells the answer, once there is one.
func (a attempt) poll() (sim.Answer, bool) {
	select {
	case <-a.done:
	default:
		return sim.Answer{}, false
	}
	if a.err != nil {
		return sim.Answer{Outcome: sim.Unknown, Reason: a.err.Error()}, true
	}
	answer := sim.Answer{Outcome: outcome(a.result)}
	switch {
	case answer.Outcome == sim.Unknown || answer.Outcome == sim.Refused:
		answer.Reason = fmt.Sprintf("verdict %d", a.result.Verdict)
	case a.operation.Kind == sim.Open:
		answer.Session = strconv.FormatUint(uint64(a.result.Position.Index), 10)
	}
	return answer, true
}

// outcome is what a result means to a client.
func outcome(r Result) sim.Outcome {
	switch r.Verdict {
	case Done:
		return sim.Done
	case ConditionFailed:
		return sim.NotFound
	case SequenceTooOld:
		return sim.Unknown
	}
	return sim.Refused
}

// Apply applies entries and keeps what they did.
func (m *simulatedMachine) Apply(ctx context.Context, entries []protocol.Entry) error {
	m.changed()
	if err := m.machine.Apply(ctx, entries); err != nil {
		return err
	}
	for i, e := range entries {
		if e.Kind != protocol.EntryCommand {
			continue
		}
		c, err := decodeCommand(e.Data)
		if err != nil {
			return err
		}
		if c.Session == 0 {
			continue
		}
		result := m.machine.results[i]
		effect := sim.Effect{Index: e.Index, Client: strconv.FormatUint(c.Session, 10), Number: c.Sequence, Answer: outcome(result)}
		// Where a condition fails, or nothing is there to be deleted, the operation is decided all the same.
		effect.TookPlace = !result.Replayed && (effect.Answer == sim.Done || effect.Answer == sim.NotFound)
		m.effects = append(m.effects, effect)
	}
	return nil
}

func (m *simulatedMachine) changed() { m.effects, m.digests = m.effects[:0], false }

func (m *simulatedMachine) Effects() []sim.Effect { return m.effects }

func (m *simulatedMachine) Snapshot() (func(io.Writer) error, error) { return m.machine.Snapshot() }

func (m *simulatedMachine) Restore(ctx context.Context, at protocol.Position, snapshot io.Reader) error {
	m.changed()
	return m.machine.Restore(ctx, at, snapshot)
}

func (m *simulatedMachine) Read(key string) sim.Value {
	item, present, _ := m.machine.Get(key)
	return sim.Value{Present: present, Data: string(item.Value)}
}

// LeadershipChanged does what Service.LeadershipChanged does for writes.
func (m *simulatedMachine) LeadershipChanged(term protocol.Term, leading bool, commit protocol.Index) {
	m.machine.proposals.lost(term, leading, commit)
}

// digestTable is of the polynomial that crc64 computes fastest.
var digestTable = crc64.MakeTable(crc64.ECMA)

// Digest is over the whole state, keys and sessions in order.
func (m *simulatedMachine) Digest() uint64 {
	if m.digests {
		return m.digest
	}
	s, b := &m.machine.state, m.scratch[:0]
	number := func(numbers ...uint64) {
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
	}
	number(uint64(s.applied.Term), uint64(s.applied.Index), s.now, uint64(s.keys.Len()), uint64(s.sessions.byID.Len()))
	s.keys.Scan(func(key string, r record) bool {
		number(uint64(r.revision), uint64(len(key)), uint64(len(r.value)))
		b = append(append(b, key...), r.value...)
		return true
	})
	s.sessions.byID.Scan(func(id uint64, r session) bool {
		number(id, r.ttl, r.deadline, r.last)
		if r.last > 0 {
			number(uint64(r.answer.Verdict), uint64(r.answer.Position.Term), uint64(r.answer.Position.Index), uint64(r.answer.Revision))
			b = append(b, r.digest[:]...)
		}
		return true
	})
	m.scratch, m.digest, m.digests = b, crc64.Checksum(b, digestTable), true
	return m.digest
}
