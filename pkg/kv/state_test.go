package kv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"whitewater/pkg/raft/protocol"
)

// script applies commands at successive indexes.
type script struct {
	t       *testing.T
	machine *Machine
	next    protocol.Index
}

func newScript(t *testing.T) *script { return &script{t: t, machine: NewMachine(), next: 1} }

func (s *script) apply(c Command) Result {
	s.t.Helper()
	e := protocol.Entry{Index: s.next, Term: 1, Data: c.Encode()}
	s.next++
	if err := s.machine.Apply(context.Background(), []protocol.Entry{e}); err != nil {
		s.t.Fatal(err)
	}
	return s.machine.results[0]
}

func (s *script) verdict(c Command, want Verdict) Result {
	s.t.Helper()
	got := s.apply(c)
	if got.Verdict != want {
		s.t.Fatalf("%+v: verdict %d, want %d", c, got.Verdict, want)
	}
	return got
}

func put(key, value string) Command {
	return Command{Op: OpPut, Key: []byte(key), Value: []byte(value)}
}

func in(c Command, session, sequence uint64) Command {
	c.Session, c.Sequence = session, sequence
	return c
}

func TestMachine_RefusesWhatItCannotKnow(t *testing.T) {
	m := NewMachine()
	err := m.Apply(context.Background(), []protocol.Entry{{Index: 1, Term: 1, Data: []byte{9}}})
	if !errors.Is(err, ErrBadCommand) || !strings.Contains(err.Error(), "entry 1") {
		t.Errorf("undecodable command: %v", err)
	}
	if err := NewMachine().Apply(context.Background(), []protocol.Entry{{Index: 2, Term: 1, Kind: protocol.EntryNoop}}); !errors.Is(err, ErrGap) {
		t.Errorf("gap: %v", err)
	}
}

func TestMachine_SessionExpiresByLogTime(t *testing.T) {
	s := newScript(t)
	create := Command{Op: OpCreateSession, Limit: 10, TTL: 1000, Time: 5000}
	a := uint64(s.verdict(create, Done).Position.Index)
	b := uint64(s.verdict(create, Done).Position.Index)
	write := put("k", "v")
	write.Time = 5999
	s.verdict(in(write, a, 1), Done) // a now lives until 6999
	write.Time = 100
	s.verdict(in(write, b, 1), Done) // log time does not go back: b until 6999 too
	write.Time = 6998
	s.verdict(in(write, a, 2), Done) // until 7998
	write.Time = 6999
	s.verdict(in(write, b, 2), SessionGone)
	s.verdict(in(write, a, 3), Done)
	write.Time = 1 << 40
	s.verdict(write, Done)
	if got := s.machine.stats(); got.sessions != 0 || got.sessionsExpired != 2 {
		t.Errorf("sessions %d, expired %d", got.sessions, got.sessionsExpired)
	}
}

func TestMachine_SessionsAreBounded(t *testing.T) {
	s := newScript(t)
	create := Command{Op: OpCreateSession, Limit: 2, TTL: 1000}
	first := uint64(s.verdict(create, Done).Position.Index)
	s.verdict(create, Done)
	s.verdict(create, SessionsFull)
	s.verdict(Command{Op: OpDeleteSession, Session: first}, Done)
	s.verdict(Command{Op: OpDeleteSession, Session: first}, SessionGone)
	s.verdict(create, Done)
}

func TestMachine_AppendKeepsOldValues(t *testing.T) {
	s := newScript(t)
	tail := Command{Op: OpAppend, Key: []byte("k"), Limit: 100}
	for i := range 10 {
		before, _, _ := s.machine.Get("k")
		was := string(before.Value)
		tail.Value = []byte{byte('0' + i)}
		s.verdict(tail, Done)
		if string(before.Value) != was {
			t.Fatalf("append %d changed the old value %q to %q", i, was, before.Value)
		}
	}
	if item, _, _ := s.machine.Get("k"); string(item.Value) != "0123456789" {
		t.Errorf("value %q", item.Value)
	}
	tail.Limit = 10
	s.verdict(tail, TooLarge)
}

// model is the dumb twin: a Go map, and per session every answer ever given.
type model struct {
	now       uint64
	values    map[string]string
	revisions map[string]protocol.Index
	sessions  map[uint64]*modelSession
}

type modelSession struct {
	ttl, deadline uint64
	last          uint64
	asked         string
	answer        Result
}

func newModel() *model {
	return &model{values: map[string]string{}, revisions: map[string]protocol.Index{}, sessions: map[uint64]*modelSession{}}
}

func (m *model) apply(c Command, at protocol.Position) Result {
	m.now = max(m.now, c.Time)
	maps.DeleteFunc(m.sessions, func(_ uint64, s *modelSession) bool { return s.deadline <= m.now })
	switch c.Op {
	case OpCreateSession:
		m.sessions[uint64(at.Index)] = &modelSession{ttl: c.TTL, deadline: m.now + c.TTL}
		return Result{Position: at}
	case OpDeleteSession:
		if m.sessions[c.Session] == nil {
			return Result{Verdict: SessionGone, Position: at}
		}
		delete(m.sessions, c.Session)
		return Result{Position: at}
	}
	if c.Session == 0 {
		return m.write(c, at)
	}
	s := m.sessions[c.Session]
	if s != nil {
		s.deadline = m.now + s.ttl
	}
	asked := fmt.Sprintf("%d %d %d %q %q", c.Op, c.Condition, c.Revision, c.Key, c.Value)
	switch {
	case s == nil:
		return Result{Verdict: SessionGone, Position: at}
	case c.Sequence < s.last:
		return Result{Verdict: SequenceTooOld, Position: at}
	case c.Sequence == s.last && asked != s.asked:
		return Result{Verdict: SequenceReused, Position: at}
	case c.Sequence == s.last:
		return s.answer
	}
	answer := m.write(c, at)
	s.last, s.asked, s.answer = c.Sequence, asked, answer
	s.answer.Replayed = true
	return answer
}

func (m *model) write(c Command, at protocol.Position) Result {
	key := string(c.Key)
	revision := m.revisions[key]
	if c.Condition == IfRevision && (revision == 0 || revision != protocol.Index(c.Revision)) || c.Condition == IfAbsent && revision != 0 {
		return Result{Verdict: ConditionFailed, Revision: revision, Position: at}
	}
	switch c.Op {
	case OpPut:
		m.values[key] = string(c.Value)
	case OpAppend:
		if len(m.values[key])+len(c.Value) > int(c.Limit) {
			return Result{Verdict: TooLarge, Revision: revision, Position: at}
		}
		m.values[key] += string(c.Value)
	case OpDelete:
		if revision == 0 {
			return Result{Position: at}
		}
		delete(m.values, key)
		delete(m.revisions, key)
		return Result{Revision: at.Index, Position: at}
	}
	m.revisions[key] = at.Index
	return Result{Revision: at.Index, Position: at}
}

func drawCommand(t *rapid.T, sessions []uint64) Command {
	c := Command{Op: Op(rapid.IntRange(1, 5).Draw(t, "op")), Time: rapid.Uint64Range(0, 30).Draw(t, "time")}
	switch c.Op {
	case OpCreateSession:
		c.Limit, c.TTL = 1000, rapid.SampledFrom([]uint64{0, 5, 1 << 40}).Draw(t, "ttl")
		return c
	case OpDeleteSession:
		c.Session = rapid.SampledFrom(sessions).Draw(t, "session")
		return c
	}
	c.Key = []byte(rapid.SampledFrom([]string{"a", "b", "ab", "\x00", "é"}).Draw(t, "key"))
	if c.Op != OpDelete {
		c.Value = []byte(rapid.StringN(0, 3, 8).Draw(t, "value"))
	}
	if c.Op == OpAppend {
		c.Limit = 12
	}
	c.Condition = Condition(rapid.IntRange(0, 2).Draw(t, "condition"))
	if c.Condition == IfRevision {
		c.Revision = rapid.Uint64Range(1, 40).Draw(t, "revision")
	}
	if rapid.Bool().Draw(t, "with session") {
		c.Session = rapid.SampledFrom(sessions).Draw(t, "session")
		c.Sequence = rapid.Uint64Range(1, 4).Draw(t, "sequence")
	}
	return c
}

// The machine answers as the model does and holds what the model holds, however the log is cut into batches; a
// second machine that applies the same log ends in the same state.
func TestMachine_AgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		machine, twin := NewMachine(), NewMachine()
		sessions := []uint64{1}
		var log []protocol.Entry
		for range rapid.IntRange(1, 60).Draw(t, "commands") {
			c := drawCommand(t, sessions)
			at := protocol.Position{Term: 1, Index: protocol.Index(len(log) + 1)}
			log = append(log, protocol.Entry{Index: at.Index, Term: at.Term, Data: c.Encode()})
			if c.Op == OpCreateSession {
				sessions = append(sessions, uint64(at.Index))
			}
			if err := machine.Apply(context.Background(), log[len(log)-1:]); err != nil {
				t.Fatal(err)
			}
			if got, want := machine.results[0], m.apply(c, at); got != want {
				t.Fatalf("%+v at %v: got %+v, want %+v", c, at, got, want)
			}
		}
		if err := twin.Apply(context.Background(), log); err != nil {
			t.Fatal(err)
		}
		if got, want := dump(machine), dump(twin); got != want {
			t.Fatalf("one by one:\n%s\nin one batch:\n%s", got, want)
		}
		compare(t, machine, m)
	})
}

func compare(t *rapid.T, machine *Machine, m *model) {
	keys := slices.Sorted(maps.Keys(m.values))
	items, more, _ := machine.List("", "", 100)
	if more || len(items) != len(keys) {
		t.Fatalf("%d keys, want %d", len(items), len(keys))
	}
	var bytes int64
	for i, item := range items {
		bytes += int64(len(item.Key) + len(item.Value))
		if item.Key != keys[i] || string(item.Value) != m.values[keys[i]] || item.Revision != m.revisions[keys[i]] {
			t.Fatalf("key %d is %+v, want %q = %q", i, item, keys[i], m.values[keys[i]])
		}
	}
	if got := machine.stats(); got.bytes != bytes || got.keys != len(keys) || got.sessions != len(m.sessions) {
		t.Fatalf("stats %+v, want %d bytes, %d keys, %d sessions", got, bytes, len(keys), len(m.sessions))
	}
}

// dump is the whole state as text.
func dump(m *Machine) string {
	var b strings.Builder
	items, _, at := m.List("", "", 1000)
	fmt.Fprintln(&b, at, m.state.now)
	for _, item := range items {
		fmt.Fprintf(&b, "%q %q %d\n", item.Key, item.Value, item.Revision)
	}
	m.state.sessions.byDeadline.Scan(func(e expiry) bool {
		s, _ := m.state.sessions.byID.Get(e.id)
		fmt.Fprintf(&b, "%d %+v\n", e.deadline, s)
		return true
	})
	return b.String()
}

func TestMachine_List(t *testing.T) {
	s := newScript(t)
	for _, key := range []string{"b", "a", "ab", "abc", "ac", "\xff"} {
		s.verdict(put(key, "v"), Done)
	}
	for _, c := range []struct {
		prefix, after string
		limit         int
		want          string
		more          bool
	}{
		{"", "", 10, "a ab abc ac b \xff", false},
		{"", "", 2, "a ab", true},
		{"", "ab", 2, "abc ac", true},
		{"ab", "", 10, "ab abc", false},
		{"ab", "ab", 10, "abc", false},
		{"ab", "zz", 10, "", false},
		{"b", "a", 10, "b", false},
		{"", "b", 1, "\xff", false},
		{"x", "", 1, "", false},
	} {
		items, more, _ := s.machine.List(c.prefix, c.after, c.limit)
		var keys []string
		for _, item := range items {
			keys = append(keys, item.Key)
		}
		if got := strings.Join(keys, " "); got != c.want || more != c.more {
			t.Errorf("%+v: got %q, more %v", c, got, more)
		}
	}
}
