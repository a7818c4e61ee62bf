package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// relay is a fixed address in front of a node whose port is the system's choice.
type relay struct {
	listener net.Listener
	mu       sync.Mutex // guards the rest
	target   string
	conns    []net.Conn
	copies   sync.WaitGroup
}

func newRelay(t *testing.T) *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener}
	var loop sync.WaitGroup
	loop.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.copies.Go(func() { r.pass(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		loop.Wait()
		r.point("")
		r.copies.Wait()
	})
	return r
}

// point leads connections to a node from now on; those that stand are closed.
func (r *relay) point(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
	for _, conn := range r.conns {
		conn.Close()
	}
	r.conns = nil
}

func (r *relay) pass(from net.Conn) {
	defer from.Close()
	r.mu.Lock()
	to, err := net.Dial("tcp", r.target) // loopback: answers at once
	if err == nil {
		r.conns = append(r.conns, from, to)
	}
	r.mu.Unlock()
	if err != nil {
		return
	}
	defer to.Close()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to) // an error is a connection's end
		from.Close()
	})
	_, _ = io.Copy(to, from)
	to.Close()
	back.Wait()
}

// cluster is raftnode processes behind relays.
type cluster struct {
	t      *testing.T
	dir    string
	relays map[string]*relay
	flags  []string
	nodes  map[string]*process
}

// newCluster starts three nodes, with flags beside those that every one needs.
func newCluster(t *testing.T, flags ...string) *cluster {
	c := emptyCluster(t, flags...)
	for _, id := range []string{"n1", "n2", "n3"} {
		c.relays[id] = newRelay(t)
	}
	for id := range c.relays {
		c.start(id)
	}
	return c
}

func emptyCluster(t *testing.T, flags ...string) *cluster {
	c := &cluster{t: t, dir: t.TempDir(), flags: flags, relays: map[string]*relay{}, nodes: map[string]*process{}}
	t.Cleanup(func() {
		for _, p := range c.nodes {
			if p.cmd.ProcessState == nil {
				_, _ = p.stop(os.Kill) // the test is over: it has ended, or does now
			}
		}
	})
	return c
}

// start starts a node of a cluster that all nodes begin, each behind its relay.
func (c *cluster) start(id string) {
	c.t.Helper()
	c.run(id, "--peers", c.peers())
}

// peers is where the nodes dial each other.
func (c *cluster) peers() string {
	var peers []string
	for other, r := range c.relays {
		peers = append(peers, other+"="+r.listener.Addr().String())
	}
	return strings.Join(peers, ",")
}

// run starts a node with flags of its own, and has its relay lead to it.
func (c *cluster) run(id string, flags ...string) {
	c.t.Helper()
	if c.relays[id] == nil {
		c.relays[id] = newRelay(c.t)
	}
	p := c.launch(id, flags...)
	if err := p.awaitReady(); err != nil {
		c.t.Fatal(err)
	}
	c.relays[id].point(p.rpc)
}

// launch starts a node that may not get ready.
func (c *cluster) launch(id string, flags ...string) *process {
	c.t.Helper()
	args := append([]string{
		"--id", id, "--rpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--event-log", id + ".events",
	}, slices.Concat(c.flags, flags)...)
	p, err := startProcess(c.dir, id, os.Environ(), args...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.nodes[id] = p
	return p
}

// leader returns who leads, and another node.
func (c *cluster) leader(of string) (leader, follower string) {
	c.t.Helper()
	c.want(of, "GET", "/readyz", "", http.StatusOK)
	leader = c.status(of).Leader // the header of the answer before says who led when it was asked
	for id, p := range c.nodes {
		if id != leader && p.cmd.ProcessState == nil {
			follower = id
		}
	}
	return leader, follower
}

func (c *cluster) want(id, method, path, body string, status int, headers ...string) (*http.Response, string) {
	c.t.Helper()
	resp, text, err := awaitAnswer(method, c.nodes[id].http+path, body, status, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, text
}

// Any node takes any request: a write is sent on to the leader, a read is answered where it arrives, at once
// after the write. The cluster outlives its leader, and a node that was killed comes back with what it had.
func TestCluster_AnyNodeTakesAnyRequest(t *testing.T) {
	c := newCluster(t)
	leader, follower := c.leader("n1")
	c.want(follower, "GET", "/readyz/leader", "", http.StatusOK)
	if _, err := noRedirect(c.nodes[follower].http+"/v1/kv/a%2Fb", c.nodes[leader].http+"/v1/kv/a%2Fb"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		value := fmt.Sprint(i)
		resp, _ := c.want(follower, "PUT", "/v1/kv/k", value, http.StatusOK)
		for id := range c.nodes {
			read, text := c.want(id, "GET", "/v1/kv/k", "", http.StatusOK)
			if text != value {
				t.Fatalf("%s answers %q after %q was written", id, text, value)
			}
			if read.Header.Get("ETag") != `"`+resp.Header.Get("Raft-Index")+`"` {
				t.Fatalf("%s: ETag %s, written at %s", id, read.Header.Get("ETag"), resp.Header.Get("Raft-Index"))
			}
		}
	}
	if _, err := c.nodes[leader].stop(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.want(follower, "PUT", "/v1/kv/k", "after", http.StatusOK)
	next, _ := c.leader(follower)
	if next == leader {
		t.Fatalf("%s leads although it was killed", next)
	}
	c.start(leader)
	if _, text := c.want(leader, "GET", "/v1/kv/k", "", http.StatusOK); text != "after" {
		t.Errorf("%s answers %q after its restart", leader, text)
	}
	_, mine := c.want(leader, "GET", "/v1/log?from=1&limit=10", "", http.StatusOK)
	if _, other := c.want(follower, "GET", "/v1/log?from=1&limit=10", "", http.StatusOK); mine != other {
		t.Errorf("logs differ:\n%s%s", mine, other)
	}
	for id, p := range c.nodes {
		if code, err := p.stop(syscall.SIGTERM); err != nil || code != 0 {
			t.Errorf("%s ended with %d, %v", id, code, err)
		}
	}
}

// noRedirect checks where a write is sent.
func noRedirect(from, want string) (string, error) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequest("PUT", from, strings.NewReader("v"))
	if err != nil {
		return "", err
	}
	resp, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if location := resp.Header.Get("Location"); err == nil && (resp.StatusCode != http.StatusTemporaryRedirect || location != want) {
		err = errors.New(resp.Status + " to " + location + ", want 307 to " + want + ": " + string(body))
	}
	return string(body), err
}
