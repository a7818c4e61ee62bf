package kv

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// openSession creates a session and returns its id.
func (n *node) openSession(t *testing.T) string {
	t.Helper()
	var created struct{ Session string }
	if err := json.Unmarshal([]byte(want(t, n.do("POST", "/v1/sessions", ""), 201, "")), &created); err != nil {
		t.Fatal(err)
	}
	return created.Session
}

func (n *node) appendIn(session string, sequence int, token string) *http.Response {
	return n.do("POST", "/v1/kv/k?op=append", token, "Session-Id", session, "Session-Seq", strconv.Itoa(sequence))
}

func TestSession_RepeatHasNoSecondEffect(t *testing.T) {
	n := newNode(t, Options{})
	id := n.openSession(t)
	first := n.appendIn(id, 1, "x")
	body := want(t, first, 200, `"revision":2`)
	for range 3 {
		again := n.appendIn(id, 1, "x")
		if got := want(t, again, 200, ""); got != body {
			t.Errorf("repeat answered %s, first %s", got, body)
		}
		if again.Header.Get("Session-Replayed") != "true" || first.Header.Get("Session-Replayed") != "" {
			t.Error("Session-Replayed belongs to repeats alone")
		}
	}
	want(t, n.do("GET", "/v1/kv/k", ""), 200, "x")
	want(t, n.appendIn(id, 1, "y"), 422, "sequence_reused")
	want(t, n.appendIn(id, 3, "z"), 200, "")
	if body := want(t, n.appendIn(id, 2, "y"), 409, "sequence_too_old"); !strings.Contains(body, `"outcome":"unknown"`) {
		t.Error(body)
	}
	if got := text(t, n.do("GET", "/v1/kv/k", "")); got != "xz" {
		t.Errorf("value %q, want xz", got)
	}
}

// A refusal is an answer too: its repeat must not take effect because the world has changed meanwhile.
func TestSession_RepeatOfARefusal(t *testing.T) {
	n := newNode(t, Options{})
	id := n.openSession(t)
	create := func() *http.Response {
		return n.do("PUT", "/v1/kv/k", "v", "If-None-Match", "*", "Session-Id", id, "Session-Seq", "1")
	}
	want(t, n.do("PUT", "/v1/kv/k", "there"), 200, "")
	want(t, create(), 412, `"revision":2`)
	want(t, n.do("DELETE", "/v1/kv/k", ""), 200, "")
	again := create()
	want(t, again, 412, `"revision":2`)
	if again.Header.Get("Session-Replayed") != "true" {
		t.Error("not marked as replayed")
	}
}

func TestSession_Ends(t *testing.T) {
	now := time.UnixMilli(1000)
	n := newNode(t, Options{SessionTTL: time.Second, MaxSessions: 1, Now: func() time.Time { return now }})
	id := n.openSession(t)
	want(t, n.do("POST", "/v1/sessions", ""), 503, "there are 1 sessions already")
	now = now.Add(time.Second)
	want(t, n.appendIn(id, 1, "x"), 410, "session_expired")
	id = n.openSession(t)
	want(t, n.do("DELETE", "/v1/sessions/"+id, ""), 200, "")
	want(t, n.appendIn(id, 1, "x"), 410, "session_expired")
}

// A repeat waits for the attempt in flight, and is answered by it.
func TestSession_RepeatInFlight(t *testing.T) {
	n := newNode(t, Options{RequestTimeout: 250 * time.Millisecond})
	id := n.openSession(t)
	n.replica.change(func() { n.replica.held = true })
	want(t, n.appendIn(id, 1, "x"), 504, "timeout")
	if body := want(t, n.appendIn(id, 1, "x"), 409, "in_flight"); !strings.Contains(body, `"outcome":"unknown"`) {
		t.Error(body)
	}
	want(t, n.appendIn(id, 2, "y"), 409, "in_flight") // one at a time
	if got := len(n.replica.Entries(1, 10)); got != 2 {
		t.Errorf("%d entries, want the session and one append", got)
	}
	n.replica.change(func() { n.replica.held = false })
	again := n.appendIn(id, 1, "x")
	want(t, again, 200, `"index":2`)
	if again.Header.Get("Session-Replayed") != "true" {
		t.Error("not marked as replayed")
	}
	want(t, n.do("GET", "/v1/kv/k", ""), 200, "x")
}

// Many clients, each repeating each of its appends at the same time: each token appears once, in its client's order.
func TestSession_ExactlyOnceUnderConcurrency(t *testing.T) {
	const clients, writes, repeats = 8, 20, 3
	n := newNode(t, Options{})
	var all sync.WaitGroup
	for client := range clients {
		id := n.openSession(t)
		all.Go(func() {
			for sequence := 1; sequence <= writes; sequence++ {
				var same sync.WaitGroup
				for range repeats {
					same.Go(func() {
						if resp := n.appendIn(id, sequence, fmt.Sprintf("%d.%d ", client, sequence)); resp.StatusCode != 200 {
							t.Errorf("status %d", resp.StatusCode)
						}
					})
				}
				same.Wait()
			}
		})
	}
	all.Wait()
	seen := map[string]int{}
	for _, token := range strings.Fields(text(t, n.do("GET", "/v1/kv/k", ""))) {
		client, sequence, _ := strings.Cut(token, ".")
		seen[client]++
		if sequence != strconv.Itoa(seen[client]) {
			t.Fatalf("client %s: token %s at place %d", client, token, seen[client])
		}
	}
	for client := range clients {
		if got := seen[strconv.Itoa(client)]; got != writes {
			t.Errorf("client %d: %d tokens, want %d", client, got, writes)
		}
	}
}
