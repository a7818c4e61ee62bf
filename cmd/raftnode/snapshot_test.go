package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// firstIndex is where a node's log begins.
func (c *cluster) firstIndex(id string) (first int) {
	c.t.Helper()
	var page struct{ First int }
	_, text := c.want(id, "GET", "/v1/log?limit=1", "", http.StatusOK)
	if err := json.Unmarshal([]byte(text), &page); err != nil {
		c.t.Fatal(err)
	}
	return page.First
}

func (c *cluster) kill(id string) {
	c.t.Helper()
	if _, err := c.nodes[id].stop(syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
}

// A follower that was away while the log was compacted gets the leader's snapshot: what was deleted meanwhile is gone
// there too, and a repeat of a write that it never saw gets its first answer, once it leads and after every node was
// killed and came back.
func TestCluster_CatchesUpBySnapshot(t *testing.T) {
	c := newCluster(t, "--snapshot-entries", "20", "--snapshot-keep", "5")
	leader, away := c.leader("n1")
	c.want(leader, "PUT", "/v1/kv/gone", "x", http.StatusOK)
	c.want(away, "GET", "/v1/kv/gone", "", http.StatusOK)
	c.kill(away)

	_, created := c.want(leader, "POST", "/v1/sessions", "", http.StatusCreated)
	var session struct{ Session string }
	if err := json.Unmarshal([]byte(created), &session); err != nil {
		t.Fatal(err)
	}
	in := []string{"Session-Id", session.Session, "Session-Seq", "1"}
	_, first := c.want(leader, "POST", "/v1/kv/log?op=append", "token ", http.StatusOK, in...)
	c.want(leader, "DELETE", "/v1/kv/gone", "", http.StatusOK)
	for i := range 100 {
		c.want(leader, "PUT", fmt.Sprint("/v1/kv/k", i%7), fmt.Sprint(i), http.StatusOK)
	}
	c.await(leader, "the log to be compacted", func() bool { return c.firstIndex(leader) > 50 })

	c.start(away)
	for i := range 7 {
		_, text := c.want(away, "GET", fmt.Sprint("/v1/kv/k", i), "", http.StatusOK)
		if want := fmt.Sprint(i + (99-i)/7*7); text != want {
			t.Errorf("k%d is %q on the node that was away, want %q", i, text, want)
		}
	}
	c.want(away, "GET", "/v1/kv/gone", "", http.StatusNotFound)
	_, metrics := c.want(away, "GET", "/metrics?name[]=raft_snapshots_installed_total", "", http.StatusOK)
	if strings.Contains(metrics, `raft_snapshots_installed_total{result="ok"} 0`) {
		t.Errorf("no snapshot was installed:\n%s", metrics)
	}
	if got := c.firstIndex(away); got <= 50 {
		t.Errorf("its log begins at %d", got)
	}

	repeat := func(id string) {
		t.Helper()
		again, text := c.want(id, "POST", "/v1/kv/log?op=append", "token ", http.StatusOK, in...)
		if text != first || again.Header.Get("Session-Replayed") != "true" {
			t.Errorf("the repeat at %s is answered %s, replayed %q; first %s", id, text, again.Header.Get("Session-Replayed"), first)
		}
		if _, text := c.want(id, "GET", "/v1/kv/log", "", http.StatusOK); text != "token " {
			t.Errorf("%s holds %q", id, text)
		}
	}
	resp, text := c.want(leader, "POST", "/v1/leader/transfer", fmt.Sprintf(`{"to":%q}`, away), http.StatusOK)
	if !strings.Contains(text, fmt.Sprintf(`"leader":%q`, away)) {
		t.Errorf("%s answers %s %s", leader, resp.Status, text)
	}
	repeat(away)
	for id := range c.nodes {
		c.kill(id)
	}
	for id := range c.nodes {
		c.start(id)
	}
	for id := range c.nodes {
		repeat(id)
	}
}

// await repeats a look at a node until it sees what it waits for.
func (c *cluster) await(id, what string, seen func() bool) {
	c.t.Helper()
	for range 1000 { // each look is a read through the leader
		if seen() {
			return
		}
		c.want(id, "GET", "/readyz/read", "", http.StatusOK)
	}
	c.t.Fatalf("waited in vain for %s", what)
}

// A client can have a snapshot taken, and have another node lead.
func TestCluster_Operated(t *testing.T) {
	c := newCluster(t, "--snapshot-entries", "0", "--snapshot-keep", "0")
	leader, follower := c.leader("n1")
	for i := range 30 {
		c.want(leader, "PUT", "/v1/kv/k", fmt.Sprint(i), http.StatusOK)
	}
	if got := c.firstIndex(leader); got != 1 {
		t.Errorf("the log begins at %d before anybody asked for a snapshot", got)
	}
	for id := range c.nodes {
		c.want(id, "GET", "/v1/kv/k", "", http.StatusOK)
		c.want(id, "POST", "/v1/snapshot", "", http.StatusAccepted)
		c.await(id, "the log to be compacted", func() bool { return c.firstIndex(id) > 30 })
	}
	// To the leader by a redirect; to whom is its choice.
	_, text := c.want(follower, "POST", "/v1/leader/transfer", "", http.StatusOK)
	if strings.Contains(text, fmt.Sprintf(`"leader":%q`, leader)) {
		t.Errorf("%s leads on: %s", leader, text)
	}
	c.want(leader, "PUT", "/v1/kv/k", "after", http.StatusOK)
	next, _ := c.leader(follower)
	c.want(next, "POST", "/v1/leader/transfer", `{"to":"n9"}`, http.StatusBadRequest)
	c.want(next, "POST", "/v1/leader/transfer", fmt.Sprintf(`{"to":%q}`, next), http.StatusBadRequest)
	for id, p := range c.nodes {
		if code, err := p.stop(syscall.SIGTERM); err != nil || code != 0 {
			t.Errorf("%s ended with %d, %v", id, code, err)
		}
	}
}
