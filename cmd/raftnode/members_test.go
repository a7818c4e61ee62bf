package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// begin starts a node that begins a cluster alone; others learn where it is from what it advertises.
func (c *cluster) begin(id string) {
	c.t.Helper()
	c.run(id, "--peers", id+"=127.0.0.1:0", "--cluster-id", "grown", "--rpc-advertise", c.advertise(id))
}

// join starts a node that waits to be added.
func (c *cluster) join(id string) {
	c.t.Helper()
	c.run(id, "--join", "--cluster-id", "grown", "--rpc-advertise", c.advertise(id))
}

func (c *cluster) advertise(id string) string {
	if c.relays[id] == nil {
		c.relays[id] = newRelay(c.t)
	}
	return c.relays[id].listener.Addr().String()
}

// adding is the body that adds voters where they advertise.
func (c *cluster) adding(ids ...string) string {
	var add []string
	for _, id := range ids {
		add = append(add, fmt.Sprintf(`{"id":%q,"address":%q}`, id, c.advertise(id)))
	}
	return `{"add":[` + strings.Join(add, ",") + `]}`
}

// members are who a node takes for members, and whether that is settled: "n1 n2 n4(joining)".
func (c *cluster) members(id string) (who string, settled bool) {
	c.t.Helper()
	_, text := c.want(id, "GET", "/v1/members", "", http.StatusOK)
	var body struct {
		Committed, Joint bool
		Members          []struct{ ID, Suffrage string }
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		c.t.Fatal(err)
	}
	settled = body.Committed && !body.Joint
	var words []string
	for _, m := range body.Members {
		if m.Suffrage != "voter" {
			m.ID += "(" + m.Suffrage + ")"
			settled = settled && m.Suffrage == "learner"
		}
		words = append(words, m.ID)
	}
	return strings.Join(words, " "), settled
}

// awaitMembers waits until a node takes these for members.
func (c *cluster) awaitMembers(id, want string) {
	c.t.Helper()
	c.until(id+" to have the members "+want, func() bool {
		who, _ := c.members(id)
		return who == want
	})
}

// until looks again and again.
func (c *cluster) until(what string, seen func() bool) {
	c.t.Helper()
	deadline := time.After(startTimeout)
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for !seen() {
		select {
		case <-pause.C:
		case <-deadline:
			c.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// change asks a node for other members until it has them for good: a leader that is new, or gone meanwhile, takes more
// than one attempt.
func (c *cluster) change(id, method, path, body, want string) {
	c.t.Helper()
	client := newClient()
	asked := 0
	c.until("the members "+want, func() bool {
		if who, settled := c.members(id); settled && who == want {
			return true
		}
		resp, text, err := ask(c.t.Context(), client, method, c.nodes[id].http+path, body, nil)
		if err != nil {
			return false // sent on to a leader that is gone
		}
		switch asked++; {
		case resp.StatusCode == http.StatusOK && asked == 1:
			var members struct{ Committed bool }
			if err := json.Unmarshal([]byte(text), &members); err != nil || !members.Committed {
				c.t.Errorf("%s %s is answered %d %s", method, path, resp.StatusCode, text)
			}
		case resp.StatusCode == http.StatusBadRequest && asked == 1, resp.StatusCode == http.StatusNotFound:
			c.t.Fatalf("%s %s is answered %d %s", method, path, resp.StatusCode, text)
		}
		return false
	})
}

// stopAll ends every node that still runs.
func (c *cluster) stopAll() {
	c.t.Helper()
	for id, p := range c.nodes {
		if p.cmd.ProcessState != nil {
			continue
		}
		if code, err := p.stop(syscall.SIGTERM); err != nil || code != 0 {
			c.t.Errorf("%s ended with %d, %v", id, code, err)
		}
	}
}

// wipe takes a stopped node's data directory away.
func (c *cluster) wipe(id string) {
	c.t.Helper()
	if err := os.RemoveAll(filepath.Join(c.dir, id+".raft")); err != nil {
		c.t.Fatal(err)
	}
}

// A cluster of one becomes one of three, over nothing but what the nodes advertise: the new ones get a snapshot, count, and
// outlive the first. All of them come back with the flags with which they began.
func TestMembers_GrowFromOneToThree(t *testing.T) {
	c := emptyCluster(t, "--snapshot-entries", "20", "--snapshot-keep", "5")
	c.begin("n1")
	for i := range 50 {
		c.want("n1", "PUT", fmt.Sprint("/v1/kv/k", i%7), fmt.Sprint(i), http.StatusOK)
	}
	c.join("n2")
	c.join("n3")
	if who, _ := c.members("n2"); who != "" {
		t.Errorf("n2 has the members %q before it was added", who)
	}
	c.want("n2", "GET", "/v1/status", "", http.StatusOK)
	c.change("n1", "POST", "/v1/members", c.adding("n2", "n3"), "n1 n2 n3")
	for _, id := range []string{"n2", "n3"} {
		c.awaitMembers(id, "n1 n2 n3")
		if _, text := c.want(id, "GET", "/v1/kv/k6", "", http.StatusOK); text != "48" {
			t.Errorf("%s answers %q", id, text)
		}
	}

	c.kill("n1")
	c.want("n2", "PUT", "/v1/kv/k", "without n1", http.StatusOK)
	if _, text := c.want("n3", "GET", "/v1/kv/k", "", http.StatusOK); text != "without n1" {
		t.Errorf("n3 answers %q", text)
	}
	c.begin("n1")
	if _, text := c.want("n1", "GET", "/v1/kv/k", "", http.StatusOK); text != "without n1" {
		t.Errorf("n1 answers %q after its restart", text)
	}
	c.awaitMembers("n1", "n1 n2 n3")
	c.kill("n2")
	c.kill("n3")
	c.join("n3")
	c.want("n1", "PUT", "/v1/kv/k", "without n2", http.StatusOK)
	c.join("n2")
	if _, text := c.want("n2", "GET", "/v1/kv/k", "", http.StatusOK); text != "without n2" {
		t.Errorf("n2 answers %q after its restart", text)
	}
	c.stopAll()
}

// Members go one by one, followers and leaders: the rest serves on, and who is gone disturbs nobody, restarted or not.
func TestMembers_Removed(t *testing.T) {
	c := newCluster(t)
	leader, follower := c.leader("n1")
	c.want(leader, "PUT", "/v1/kv/k", "three", http.StatusOK)
	third := strings.Trim(strings.NewReplacer(leader, "", follower, "").Replace("n1n2n3"), " ")

	c.change(third, "DELETE", "/v1/members/"+follower, "", strings.Join(sorted(leader, third), " ")) // to the leader by a redirect
	c.awaitMembers(follower, strings.Join(sorted(leader, third), " "))                               // it was told
	c.want(leader, "DELETE", "/v1/members/"+follower, "", http.StatusBadRequest)
	term := c.status(leader).Term
	c.kill(follower)
	c.start(follower)
	for i := range 50 {
		c.want(leader, "PUT", "/v1/kv/k", fmt.Sprint(i), http.StatusOK)
	}
	if now := c.status(leader).Term; now != term {
		t.Errorf("term %d became %d: the removed %s disturbs", term, now, follower)
	}
	c.until("the removed "+follower+" to know no leader", func() bool {
		resp, _, err := ask(t.Context(), newClient(), "GET", c.nodes[follower].http+"/v1/kv/k", "", nil)
		return err == nil && resp.StatusCode == http.StatusServiceUnavailable
	})

	c.change(leader, "DELETE", "/v1/members/"+leader, "", third)
	c.want(third, "PUT", "/v1/kv/k", "one", http.StatusOK)
	if now, _ := c.leader(third); now != third {
		t.Errorf("%s leads, want %s", now, third)
	}
	term = c.status(third).Term
	for i := range 50 {
		c.want(third, "PUT", "/v1/kv/k", fmt.Sprint(i), http.StatusOK)
	}
	if now := c.status(third).Term; now != term {
		t.Errorf("term %d became %d: the removed %s disturbs", term, now, leader)
	}

	// With their directories as they are both can come back.
	c.change(third, "POST", "/v1/members", fmt.Sprintf(`{"add":[{"id":%q},{"id":%q}]}`, leader, follower), "n1 n2 n3")
	c.kill(third)
	for _, id := range []string{leader, follower} {
		if _, text := c.want(id, "GET", "/v1/kv/k", "", http.StatusOK); text != "49" {
			t.Errorf("%s answers %q", id, text)
		}
	}
	c.stopAll()
}

func sorted(a, b string) []string {
	if a > b {
		a, b = b, a
	}
	return []string{a, b}
}

// One request replaces a cluster by another; what was written is there, and the old nodes can go.
func TestMembers_ReplacedAllAtOnce(t *testing.T) {
	c := emptyCluster(t)
	c.begin("n1")
	c.join("n2")
	c.change("n1", "POST", "/v1/members", c.adding("n2"), "n1 n2")
	c.want("n2", "PUT", "/v1/kv/k", "v", http.StatusOK)
	for _, id := range []string{"n3", "n4", "n5"} {
		c.join(id)
	}
	order := strings.TrimSuffix(c.adding("n3", "n4", "n5"), "}") + `,"remove":["n1","n2"]}`
	c.change("n1", "POST", "/v1/members", order, "n3 n4 n5")
	c.awaitMembers("n3", "n3 n4 n5")
	c.kill("n1")
	c.kill("n2")
	for _, id := range []string{"n3", "n4", "n5"} {
		if _, text := c.want(id, "GET", "/v1/kv/k", "", http.StatusOK); text != "v" {
			t.Errorf("%s answers %q", id, text)
		}
	}
	c.want("n3", "PUT", "/v1/kv/k", "w", http.StatusOK)
	c.stopAll()
}

// status is part of what a node says about itself.
func (c *cluster) status(id string) (status struct {
	Cluster, Leader string
	Term            int
},
) {
	c.t.Helper()
	_, text := c.want(id, "GET", "/v1/status", "", http.StatusOK)
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		c.t.Fatal(err)
	}
	return status
}

// A node whose directory is gone must not come back under its name as if nothing had happened: it ends and says what to
// do. Done so, it is a member again.
func TestMembers_WipedNodeMustBeAddedAgain(t *testing.T) {
	c := newCluster(t)
	leader, follower := c.leader("n1")
	c.want(leader, "PUT", "/v1/kv/k", "v", http.StatusOK)
	c.want(follower, "GET", "/v1/kv/k", "", http.StatusOK)
	c.kill(follower)
	c.wipe(follower)
	p := c.launch(follower, "--peers", c.peers())
	if err := p.awaitReady(); err != nil {
		t.Fatal(err)
	}
	c.relays[follower].point(p.rpc)
	if code, err := p.end(); err != nil || code != exitSettings {
		t.Errorf("the wiped node ended with %d, %v", code, err)
	}
	said, err := os.ReadFile(p.stderr)
	if want := fmt.Sprintf("remove %s and add it again with --join (DELETE /v1/members/%s ", follower, follower); err != nil || !strings.Contains(string(said), want) {
		t.Errorf("the wiped node does not say %q, but:\n%s", want, said)
	}

	rest := strings.Join(sorted(leader, strings.NewReplacer(leader, "", follower, "").Replace("n1n2n3")), " ")
	c.change(leader, "DELETE", "/v1/members/"+follower, "", rest)
	c.wipe(follower)
	c.run(follower, "--join", "--cluster-id", c.status(leader).Cluster, "--peers", c.peers())
	c.change(leader, "POST", "/v1/members", fmt.Sprintf(`{"add":[{"id":%q}]}`, follower), "n1 n2 n3")
	if _, text := c.want(follower, "GET", "/v1/kv/k", "", http.StatusOK); text != "v" {
		t.Errorf("%s answers %q", follower, text)
	}
	c.stopAll()
}

// A change that waits for a node that is not there can be taken back; one under way outlives the leader that began it, and
// a restart of all.
func TestMembers_ChangeUnderWay(t *testing.T) {
	c := newCluster(t)
	leader, follower := c.leader("n1")
	client := newClient()
	c.want(leader, "PUT", "/v1/kv/k", "v", http.StatusOK)
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	answers := make(chan string, 1)
	begin := func() {
		go func() {
			resp, text, err := ask(ctx, client, "POST", c.nodes[leader].http+"/v1/members", c.adding("n4"), nil)
			if err != nil {
				text = err.Error()
			} else {
				text = resp.Status + " " + text
			}
			answers <- text
		}()
		c.awaitMembers(leader, "n1 n2 n3 n4(joining)")
	}
	c.advertise("n4")
	begin()
	if _, text := c.want(leader, "POST", "/v1/members", `{"add":[{"id":"n5"}]}`, http.StatusConflict); !strings.Contains(text, "change_in_progress") {
		t.Errorf("another change meanwhile: %s", text)
	}
	c.want(leader, "DELETE", "/v1/members/n4", "", http.StatusOK)
	if answer := <-answers; !strings.HasPrefix(answer, "409 Conflict") || !strings.Contains(answer, "change_canceled") {
		t.Errorf("the change that was taken back is answered %s", answer)
	}
	if who, settled := c.members(leader); who != "n1 n2 n3" || !settled {
		t.Errorf("members %s", who)
	}

	begin()
	c.awaitMembers(follower, "n1 n2 n3 n4(joining)")
	giveUp() // the client is gone, the change goes on
	<-answers
	c.kill(leader)
	c.want(follower, "PUT", "/v1/kv/k", "after", http.StatusOK)
	c.awaitMembers(follower, "n1 n2 n3 n4(joining)")
	for _, id := range []string{"n1", "n2", "n3"} {
		if id != leader {
			c.kill(id)
		}
	}
	for _, id := range []string{"n1", "n2", "n3"} {
		c.start(id)
	}
	c.run("n4", "--join", "--cluster-id", c.status(leader).Cluster, "--rpc-advertise", c.advertise("n4"))
	for id := range c.nodes {
		c.awaitMembers(id, "n1 n2 n3 n4")
	}
	if _, text := c.want("n4", "GET", "/v1/kv/k", "", http.StatusOK); text != "after" {
		t.Errorf("n4 answers %q", text)
	}
	c.stopAll()
}
