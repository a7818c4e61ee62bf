package load

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func start(t *testing.T, o Options, endpoints Endpoints) *Load {
	t.Helper()
	l, err := Start(t.Context(), o, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

func await(t *testing.T, l *Load, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := l.AwaitOK(ctx, n); err != nil {
		t.Fatal(err)
	}
}

func TestLoad_RecordsEveryKindAndReadsTheEnd(t *testing.T) {
	s := newStore(t, 3)
	var record bytes.Buffer
	l := start(t, Options{Clients: 4, Keys: 4, OpsPerKey: 20, Seed: 1, Record: &record}, s.endpoints)
	await(t, l, 500)
	l.Stop()
	if err := l.FinalReads(t.Context()); err != nil {
		t.Fatal(err)
	}
	stats := l.Stats()
	for _, kind := range Kinds() {
		if stats.ByKind[kind].OK == 0 {
			t.Errorf("no %s succeeded: %+v", kind, stats)
		}
	}
	swapped, finals := 0, map[string]Operation{}
	history := l.History()
	for _, op := range history {
		if op.Swapped {
			swapped++
		}
		if op.Final {
			finals[op.Key] = op
		}
		if op.Outcome == OK && op.Kind.Write() && op.Index == 0 && (op.Kind != CAS || op.Swapped) {
			t.Errorf("acknowledged without an index: %+v", op)
		}
	}
	if swapped == 0 {
		t.Error("no compare-and-set swapped")
	}
	for key, rec := range s.values {
		if got := finals[key]; got.Output != rec.value || got.Revision != rec.revision {
			t.Errorf("final read of %s: %q at %d, want %q at %d", key, got.Output, got.Revision, rec.value, rec.revision)
		}
	}
	if err := l.Err(); err != nil {
		t.Fatal(err)
	}
	stored, err := ReadHistory(&record)
	if err != nil || len(stored) != len(history) {
		t.Errorf("stored %d of %d operations, %v", len(stored), len(history), err)
	}
}

func TestLoad_LostReplyIsRepeatedInTheSession(t *testing.T) {
	s := newStore(t, 3)
	n := 0
	s.after = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if n++; r.Method != http.MethodGet && n%5 == 0 {
			panic(http.ErrAbortHandler) // it took effect; the connection breaks
		}
		return false
	}
	l := start(t, Options{Clients: 2, Mix: map[Kind]int{Append: 1, Get: 1}, Seed: 2}, s.endpoints)
	await(t, l, 200)
	l.Stop()
	if err := l.FinalReads(t.Context()); err != nil {
		t.Fatal(err)
	}
	replayed := 0
	value := map[string]string{}
	for _, op := range l.History() {
		if op.Replayed {
			replayed++
		}
		if op.Final {
			value[op.Key] = op.Output
		}
	}
	if replayed == 0 {
		t.Error("no answer was replayed")
	}
	for _, op := range l.History() {
		if op.Kind == Append && op.Outcome == OK && strings.Count(value[op.Key], op.Input) != 1 {
			t.Errorf("token %s of %s stands %d times", op.Input, op.Key, strings.Count(value[op.Key], op.Input))
		}
	}
}

func TestLoad_UnknownWriteRetiresItsClient(t *testing.T) {
	s := newStore(t, 1)
	spoilt := map[string]bool{}
	s.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		id := r.Header.Get("Session-Id")
		if r.Method == http.MethodPut && (len(spoilt) < 3 || spoilt[id]) {
			spoilt[id] = true
			reply(w, http.StatusGatewayTimeout, map[string]any{"error": "timeout", "outcome": "unknown"})
			return true
		}
		return false
	}
	l := start(t, Options{
		Clients: 1, Mix: map[Kind]int{Put: 1}, Seed: 3,
		RequestTimeout: 200 * time.Millisecond, Deadline: 200 * time.Millisecond,
	}, s.endpoints)
	await(t, l, 3)
	l.Stop()
	history := l.History()
	names, sessions := map[string]bool{}, map[string]bool{}
	for i, op := range history {
		if op.Outcome == Unknown && op.Return != Forever {
			t.Errorf("unknown operation has an end: %+v", op)
		}
		if i > 0 && history[i-1].Outcome == Unknown && (names[op.Client] || sessions[op.Session]) {
			t.Errorf("operation %d: client %s and session %s go on after an unknown outcome", op.ID, op.Client, op.Session)
		}
		names[op.Client], sessions[op.Session] = true, true
		for _, a := range op.Attempts {
			if op.Outcome == Unknown && a.Outcome != Unknown {
				t.Errorf("attempt %+v of an unknown operation", a)
			}
		}
	}
	if len(names) < 4 {
		t.Errorf("%d names after 3 unknown operations", len(names))
	}
}

func TestLoad_OutcomesOfAnswers(t *testing.T) {
	unknown := map[string]any{"error": "in_flight", "outcome": "unknown"}
	none := map[string]any{"error": "x", "outcome": "none"}
	for _, tc := range []struct {
		name     string
		status   int
		body     map[string]any
		sessions bool
		want     Outcome
	}{
		{"no leader", 503, none, true, Failed},
		{"too large", 413, none, true, Failed},
		{"bad request", 400, none, true, Failed},
		{"reused", 422, none, true, Failed},
		{"time-out", 504, none, true, Unknown},
		{"in flight", 409, unknown, true, Unknown},
		{"too old", 409, map[string]any{"error": "sequence_too_old", "outcome": "unknown"}, true, Unknown},
		{"server error", 500, nil, true, Unknown},
		{"time-out without a session", 504, none, false, Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStore(t, 2)
			s.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPut {
					reply(w, tc.status, tc.body)
				}
				return r.Method == http.MethodPut
			}
			o := Options{Deadline: 50 * time.Millisecond, RequestTimeout: 20 * time.Second, NoSessions: !tc.sessions}.withDefaults()
			c := newClient(o, s.endpoints, 1)
			defer c.close()
			op := c.do(t.Context(), step{kind: Put, key: "k"})
			if op.Outcome != tc.want {
				t.Errorf("outcome %s, want %s: %+v", op.Outcome, tc.want, op)
			}
			if !tc.sessions && len(op.Attempts) != 1 {
				t.Errorf("%d attempts without a session, want 1", len(op.Attempts))
			}
		})
	}
}

func TestLoad_RefusedDialIsRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	o := Options{Deadline: 200 * time.Millisecond, RequestTimeout: 20 * time.Second, NoSessions: true}.withDefaults()
	c := newClient(o, func() []Node { return []Node{{ID: "n1", URL: gone}} }, 1)
	defer c.close()
	op := c.do(t.Context(), step{kind: Put, key: "k"})
	if op.Outcome != Failed || len(op.Attempts) < 2 {
		t.Errorf("outcome %s after %d attempts, want failed after several", op.Outcome, len(op.Attempts))
	}
	for _, a := range op.Attempts {
		if a.Outcome != Refused {
			t.Errorf("attempt %+v, want refused", a)
		}
	}
}

func TestLoad_ExpiredSession(t *testing.T) {
	s := newStore(t, 1)
	o := Options{}.withDefaults()
	c := newClient(o, s.endpoints, 1)
	defer c.close()
	c.do(t.Context(), step{kind: Put, key: "k"})
	s.mu.Lock()
	clear(s.sessions)
	s.mu.Unlock()
	op := c.do(t.Context(), step{kind: Put, key: "k"})
	if op.Outcome != OK || op.Attempts[0].Status != http.StatusGone {
		t.Errorf("want a second try in a new session: %+v", op)
	}
}

func TestLoad_PinnedClientsAskOneNode(t *testing.T) {
	s := newStore(t, 3)
	l := start(t, Options{Clients: 3, Seed: 4}, s.endpoints)
	await(t, l, 20)
	l.Pin("n3", 1, true)
	from := Monotonic() + int64(100*time.Millisecond)
	await(t, l, 1000)
	for Monotonic() < from {
		await(t, l, 100)
	}
	await(t, l, 300)
	l.Stop()
	seen := 0
	for _, op := range l.History() {
		if !strings.HasPrefix(op.Client, "c1.") || op.Call < from {
			continue
		}
		seen++
		if op.Kind != Get {
			t.Errorf("pinned client wrote: %+v", op)
		}
		for _, a := range op.Attempts {
			if a.Node != "n3" {
				t.Errorf("pinned client asked %s", a.Node)
			}
		}
	}
	if seen == 0 {
		t.Error("the pinned client did nothing")
	}
}

func TestLoad_PauseDrainResume(t *testing.T) {
	s := newStore(t, 1)
	l := start(t, Options{Clients: 2, Seed: 5}, s.endpoints)
	await(t, l, 10)
	l.Pause()
	l.Pause()
	if err := l.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := l.Stats()
	s.mu.Lock()
	served := s.served["n1"]
	s.mu.Unlock()
	if diff := cmp.Diff(before, l.Stats()); diff != "" {
		t.Errorf("operations ended after Drain: %s", diff)
	}
	l.Resume()
	l.Resume()
	await(t, l, 10)
	if served == 0 {
		t.Error("nothing was served before the pause")
	}
}

func TestLoad_RateCountsFromTheSchedule(t *testing.T) {
	s := newStore(t, 1)
	l := start(t, Options{Clients: 2, Rate: 200, Seed: 6}, s.endpoints)
	await(t, l, 40)
	l.Stop()
	var last int64
	for _, op := range l.History() {
		if !strings.HasPrefix(op.Client, "c1.") {
			continue
		}
		if op.Intended > op.Call || op.Intended == 0 {
			t.Errorf("due at %d, called at %d", op.Intended, op.Call)
		}
		if gap := op.Intended - last; last != 0 && (gap < 9e6 || gap > 11e6) {
			t.Errorf("two operations are due %d ns apart, want 10 ms", gap)
		}
		last = op.Intended
	}
}

func TestLoad_StaleReadsAreMarked(t *testing.T) {
	s := newStore(t, 1)
	stale := 0
	s.before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("consistency") == "stale" {
			stale++
		}
		return false
	}
	l := start(t, Options{Clients: 1, Mix: map[Kind]int{Get: 1, Put: 1}, Stale: true, Seed: 7}, s.endpoints)
	await(t, l, 20)
	l.Stop()
	if err := l.FinalReads(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, op := range l.History() {
		if want := op.Kind == Get && !op.Final; op.Stale != want {
			t.Errorf("stale is %v: %+v", op.Stale, op)
		}
	}
	if stale == 0 {
		t.Error("no stale read arrived")
	}
}

func TestLoad_NoLeaderNowhereStops(t *testing.T) {
	s := newStore(t, 1)
	s.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		reply(w, http.StatusServiceUnavailable, map[string]any{"error": "no_leader", "outcome": "none"})
		return true
	}
	failed := make(chan Operation, 100)
	l := start(t, Options{
		Clients: 1, Seed: 8, Deadline: 200 * time.Millisecond, RequestTimeout: 200 * time.Millisecond,
		OnDone: func(op Operation) {
			select {
			case failed <- op:
			default:
			}
		},
	}, s.endpoints)
	if op := <-failed; op.Outcome != Failed {
		t.Errorf("outcome %s, want failed", op.Outcome)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.AwaitOK(ctx, 1); err == nil {
		t.Error("AwaitOK reports success that never was")
	}
}
