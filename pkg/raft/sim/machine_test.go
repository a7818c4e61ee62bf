package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"testing"
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

// ledgerWaiter is one who proposed an operation. Once it has its answer, it leaves the machine's list and changes no more.
type ledgerWaiter struct {
	at     protocol.Position
	answer Answer
	ended  bool
}

// end answers those for whom there is an answer now.
func (l *ledger) end(answer func(*ledgerWaiter) (Answer, bool)) {
	l.waiting = slices.DeleteFunc(l.waiting, func(w *ledgerWaiter) bool {
		w.answer, w.ended = answer(w)
		return w.ended
	})
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
	l.end(func(w *ledgerWaiter) (Answer, bool) {
		return Answer{Reason: "lost"}, (w.at.Term < term || !leading) && w.at.Index > commit
	})
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
		l.end(func(w *ledgerWaiter) (Answer, bool) {
			if w.at.Index == e.Index && w.at.Term != e.Term {
				return Answer{Reason: "lost"}, true
			}
			return answer, w.at.Index == e.Index
		})
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
	l.end(func(w *ledgerWaiter) (Answer, bool) { return Answer{Reason: "covered"}, w.at.Index <= at.Index })
	l.state = ledgerState{}
	return json.NewDecoder(snapshot).Decode(&l.state)
}

// TestLedger_Waiters: an answer is given once, and whoever has one is forgotten.
func TestLedger_Waiters(t *testing.T) {
	l := ledgers{}.NewMachine().(*ledger)
	at := protocol.Position{Term: 1}
	var answers []func() (Answer, bool)
	for range 4 {
		answer, err := l.Write(Operation{Kind: Open}, time.Time{}, func([]byte) (protocol.Position, error) {
			at.Index++
			return at, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
	}
	entry := func(index protocol.Index, term protocol.Term) protocol.Entry {
		return protocol.Entry{Index: index, Term: term, Data: []byte(`{"Kind":"open"}`)}
	}
	if err := l.Apply(t.Context(), []protocol.Entry{entry(1, 1), entry(2, 2)}); err != nil {
		t.Fatal(err)
	}
	if len(l.waiting) != 2 {
		t.Errorf("%d wait, want 2", len(l.waiting))
	}
	l.LeadershipChanged(2, false, 3)
	write, err := l.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var snapshot bytes.Buffer
	if err := write(&snapshot); err != nil {
		t.Fatal(err)
	}
	if err := l.Restore(t.Context(), protocol.Position{Term: 2, Index: 3}, &snapshot); err != nil {
		t.Fatal(err)
	}
	l.LeadershipChanged(9, false, 0)
	want := []Answer{{Outcome: Done, Session: "1"}, {Reason: "lost"}, {Reason: "covered"}, {Reason: "lost"}}
	for i, answer := range answers {
		if got, ended := answer(); !ended || got != want[i] {
			t.Errorf("operation %d: %+v, %t, want %+v", i+1, got, ended, want[i])
		}
	}
	if len(l.waiting) != 0 {
		t.Errorf("%d wait for what they have", len(l.waiting))
	}
}
