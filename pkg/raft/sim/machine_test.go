package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"time"

	"whitewater/pkg/raft/protocol"
)

// ledgers is the smallest service that has sessions: maps, and JSON for commands and snapshots.
type ledgers struct{ forget bool } // forget: sessions are left out of snapshots

func (l ledgers) NewMachine() Machine {
	return &ledger{state: ledgerState{Keys: map[string]string{}, Sessions: map[string]ledgerAnswer{}}, forget: l.forget}
}

type ledger struct {
	state   ledgerState
	effects []Effect
	waiting []*ledgerWaiter
	forget  bool
}

type ledgerState struct {
	Keys     map[string]string
	Sessions map[string]ledgerAnswer
}

type ledgerAnswer struct {
	Number  uint64
	Outcome Outcome
}

type ledgerWaiter struct {
	at     protocol.Position
	answer Answer
	ended  bool
}

func (l *ledger) Write(op Operation, _ time.Time, propose func([]byte) (protocol.Position, error)) (func() (Answer, bool), error) {
	command, err := json.Marshal(op)
	if err != nil {
		return nil, err
	}
	at, err := propose(command)
	if err != nil {
		return nil, err
	}
	w := &ledgerWaiter{at: at}
	l.waiting = append(l.waiting, w)
	return func() (Answer, bool) { return w.answer, w.ended }, nil
}

func (l *ledger) Read(key string) Value {
	data, ok := l.state.Keys[key]
	return Value{ok, data}
}

func (l *ledger) LeadershipChanged(term protocol.Term, leading bool, commit protocol.Index) {
	for _, w := range l.waiting {
		if (w.at.Term < term || !leading) && w.at.Index > commit {
			w.ended, w.answer = true, Answer{Reason: "lost"}
		}
	}
}

func (l *ledger) Effects() []Effect { return l.effects }

func (l *ledger) Digest() uint64 {
	data, err := json.Marshal(l.state)
	if err != nil {
		panic(err)
	}
	h := fnv.New64a()
	h.Write(data)
	return h.Sum64()
}

func (l *ledger) Apply(_ context.Context, entries []protocol.Entry) error {
	l.effects = nil
	for _, e := range entries {
		answer := Answer{}
		if e.Kind == protocol.EntryCommand {
			var op Operation
			if err := json.Unmarshal(e.Data, &op); err != nil {
				return fmt.Errorf("entry %d: %w", e.Index, err)
			}
			answer = l.execute(e.Index, op)
		}
		for _, w := range l.waiting {
			if w.at.Index == e.Index && !w.ended {
				w.ended = true
				if w.at.Term == e.Term {
					w.answer = answer
				}
			}
		}
	}
	return nil
}

func (l *ledger) execute(index protocol.Index, op Operation) Answer {
	if op.Kind == Open {
		id := strconv.FormatUint(uint64(index), 10)
		l.state.Sessions[id] = ledgerAnswer{}
		return Answer{Outcome: Done, Session: id}
	}
	effect := Effect{Index: index, Client: op.Session, Number: op.Number}
	switch last, ok := l.state.Sessions[op.Session]; {
	case !ok:
		effect.Answer = Refused
	case op.Number < last.Number:
		effect.Answer = Unknown
	case op.Number == last.Number:
		effect.Answer = last.Outcome
	default:
		effect.TookPlace, effect.Answer = true, l.change(op)
		l.state.Sessions[op.Session] = ledgerAnswer{op.Number, effect.Answer}
	}
	l.effects = append(l.effects, effect)
	return Answer{Outcome: effect.Answer}
}

func (l *ledger) change(op Operation) Outcome {
	_, present := l.state.Keys[op.Key]
	switch op.Kind {
	case Put:
		l.state.Keys[op.Key] = op.Value
	case Append:
		l.state.Keys[op.Key] += op.Value
	case Delete:
		delete(l.state.Keys, op.Key)
	case Create:
		if present {
			return NotFound
		}
		l.state.Keys[op.Key] = op.Value
	}
	return Done
}

func (l *ledger) Snapshot() (func(io.Writer) error, error) {
	state := l.state
	if l.forget {
		state.Sessions = map[string]ledgerAnswer{}
	}
	data, err := json.Marshal(state)
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}, err
}

func (l *ledger) Restore(_ context.Context, at protocol.Position, snapshot io.Reader) error {
	for _, w := range l.waiting {
		if w.at.Index <= at.Index && !w.ended {
			w.ended, w.answer = true, Answer{Reason: "covered"}
		}
	}
	l.state = ledgerState{}
	return json.NewDecoder(snapshot).Decode(&l.state)
}
