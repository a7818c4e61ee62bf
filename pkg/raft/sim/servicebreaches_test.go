package sim

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// spoilt makes a breach of a service that spoil makes of the ledger's, under a plan.
func spoilt(plan Plan, spoil func(made int, m *patient)) func(*testing.T) *Failure {
	return served(plan, func() Service { return doctor(spoil) })
}

func served(plan Plan, service func() Service) func(*testing.T) *Failure {
	return func(t *testing.T) *Failure {
		if err := plan.Validate(); err != nil {
			t.Fatal(err)
		}
		return Run(Options{Service: service()}, plan).Failure
	}
}

// serviceBreaches are services with a fault, in whole runs.
func serviceBreaches() []breach {
	first := map[protocol.Index]bool{} // somebody applied it
	snapshots := func(p *Plan) { p.Tuning.SnapshotEntries, p.Tuning.SnapshotKeep = 5, -1 }
	restart := suffers(Fault{At: 5 * time.Second, Kind: Kill, For: 100 * time.Millisecond})
	return []breach{
		{StateMachineSafety, "a node does something else", spoilt(quiet(), func(_ int, m *patient) {
			m.effects = func() []Effect {
				all := slices.Clone(m.ledger.Effects())
				for i := range all {
					if first[all[i].Index] { // this one is not
						all[i].Answer = NotFound
					}
					first[all[i].Index] = true
				}
				return all
			}
		}), []string{": entry ", " of session ", "elsewhere"}},
		{StateMachineSafety, "a node's state differs", spoilt(quiet(), func(made int, m *patient) {
			if made == 1 {
				m.digest = func() uint64 { return m.ledger.Digest() + 1 }
			}
		}), []string{"after entry 16 the states of ", "n2", " differ"}},
		{StateMachineSafety, "a machine gives up", spoilt(quiet(), func(_ int, m *patient) {
			m.apply = func(entries []protocol.Entry) error {
				if entries[0].Index > 3 {
					return errors.New("out of cheese")
				}
				return m.own(entries)
			}
		}), []string{"n", " applies 4 to ", "out of cheese"}},
		{StorageRecovers, "a snapshot cannot be taken", spoilt(quiet(snapshots), func(_ int, m *patient) {
			m.snapshot = func() (func(io.Writer) error, error) { return nil, errors.New("out of cheese") }
		}), []string{"n", " takes a snapshot at 1.", "out of cheese"}},
		{StorageRecovers, "a snapshot cannot be restored", spoilt(quiet(snapshots, restart), func(_ int, m *patient) {
			m.restore = func(protocol.Position) error { return errors.New("out of cheese") }
		}), []string{"n1 restores the snapshot at 1.", "out of cheese"}},
		{StateMachineSafety, "sessions are left out of snapshots", served(quiet(lossy, snapshots, restart), func() Service {
			return ledgers{forget: true}
		}), []string{"n", "entry "}},
		{NoPanic, "a machine panics", spoilt(quiet(), func(_ int, m *patient) {
			m.apply = func(entries []protocol.Entry) error { panic("out of cheese") }
		}), []string{"out of cheese", "servicebreaches_test.go"}},
		{LogMatching, "a panic names its property", spoilt(quiet(), func(_ int, m *patient) {
			m.apply = func(entries []protocol.Entry) error { panic("LogMatching: 1.3 follows 2.2") }
		}), []string{"1.3 follows 2.2"}},
	}
}

// sessionBreaches are services that do an operation twice, never, or otherwise than they tell.
func sessionBreaches() []breach {
	return []breach{
		{ExactlyOnce, "a repeat takes place again", spoilt(quiet(lossy), func(_ int, m *patient) {
			m.apply = func(entries []protocol.Entry) error { return applyTwice(m, entries) }
		}), []string{"n", ": operation ", " of session ", " took place at ", " and at "}},
		{ExactlyOnce, "a session is forgotten", spoilt(quiet(), func(_ int, m *patient) {
			m.apply = func(entries []protocol.Entry) error {
				for _, e := range entries {
					if e.Index == 12 {
						clear(m.state.Sessions)
					}
					if err := m.own([]protocol.Entry{e}); err != nil {
						return err
					}
				}
				return nil
			}
		}), []string{"n", " refuses operation #", " of the live session "}},
		{Acknowledged, "an answer before there is any", spoilt(quiet(), func(_ int, m *patient) {
			m.answer = func(op Operation, own Answer, ended bool) (Answer, bool) {
				if op.Kind == Open {
					return own, ended
				}
				return Answer{Outcome: Done}, true
			}
		}), []string{"n", " answers operation #", "which never took place"}},
		{Acknowledged, "another answer", spoilt(quiet(), func(_ int, m *patient) {
			m.answer = func(_ Operation, own Answer, ended bool) (Answer, bool) {
				if own.Outcome == NotFound {
					own.Outcome = Done
				}
				return own, ended
			}
		}), []string{"n", " answers operation #", " otherwise than entry "}},
		{Linearizable, "reads are stale", spoilt(quiet(), func(_ int, m *patient) {
			var past map[string]string
			m.read = func(key string) Value { data, ok := past[key]; return Value{ok, data} }
			m.apply = func(entries []protocol.Entry) error {
				past = maps.Clone(m.state.Keys)
				return m.own(entries)
			}
		}), []string{"key k"}},
		{Linearizable, "an append is forgotten", spoilt(quiet(), func(_ int, m *patient) {
			m.apply = func(entries []protocol.Entry) error {
				err := m.own(entries)
				for key, data := range m.state.Keys {
					m.state.Keys[key] = data[:min(len(data), 12)]
				}
				return err
			}
		}), []string{"key k"}},
	}
}

// lossy has clients repeat themselves: answers get lost.
func lossy(p *Plan) { p.Network.Loss, p.Duration = 0.3, 50*time.Second }

// applyTwice executes an operation as often as its entries come, as a machine without sessions would.
func applyTwice(m *patient, entries []protocol.Entry) error {
	for _, e := range entries {
		var op Operation
		if e.Kind == protocol.EntryCommand {
			if err := json.Unmarshal(e.Data, &op); err != nil {
				return err
			}
		}
		if last, ok := m.state.Sessions[op.Session]; ok && last.Number == op.Number {
			m.state.Sessions[op.Session] = ledgerAnswer{Number: op.Number - 1}
		}
		if err := m.own([]protocol.Entry{e}); err != nil {
			return err
		}
	}
	return nil
}

// endBreaches show once the faults are over, or only to who looks twice.
func endBreaches() []breach {
	return []breach{
		{Liveness, "nobody is answered", spoilt(quiet(idle), func(_ int, m *patient) {
			m.answer = func(Operation, Answer, bool) (Answer, bool) { return Answer{}, false }
		}), []string{"nothing commits within 12s although n", "how they stand:\nn1: ", " of term "}},
		{Convergence, "one operation is never answered", spoilt(quiet(), func(_ int, m *patient) {
			m.answer = func(op Operation, own Answer, ended bool) (Answer, bool) {
				return own, ended && (op.Client != 1 || op.Number != 3)
			}
		}), []string{"n1: ", " of term ", "log ends at ", "c1 waits since ", " for #"}},
		{Calm, "leaders change", func(t *testing.T) *Failure {
			r := stage(t, quiet(idle), 4*time.Second)
			for i := range 3 {
				at := r.now + settleTime + time.Duration(1+i)*time.Second
				r.at(at, func() { r.faults.transfer(follower(r)) })
			}
			r.heal()
			return r.failure
		}, []string{"lost their leader ", " times in 6s although ", "gave up office once, for a later term in which n"}},
		{Deterministic, "the second run is another", func(t *testing.T) *Failure {
			runs := uint64(0)
			service := doctor(func(_ int, m *patient) {
				m.digest = func() uint64 { return m.ledger.Digest() + runs }
			})
			begins := func(s Step) {
				if s.At == 0 && s.Node == "n1" {
					runs++
				}
			}
			totals := Campaign{Options: Options{Service: service, Trace: begins}, Seeds: 1, Twice: true, Draw: func(uint64) Plan { return quiet() }}.Run()
			if len(totals.Failures) == 0 {
				return nil
			}
			return totals.Failures[0].Failure
		}, []string{"two runs have digests"}},
	}
}
