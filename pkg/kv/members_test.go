package kv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// changing makes the fake go through with each change it is asked for, and returns what that was.
func (f *fakeReplica) changing(to protocol.Configuration) *protocol.Change {
	var asked protocol.Change
	f.change(func() {
		f.members = func(_ context.Context, change protocol.Change) error {
			asked = change
			f.change(func() {
				f.state.Configuration, f.state.ConfigurationIndex, f.state.ConfigurationCommitted = to, 12, true
			})
			return nil
		}
	})
	return &asked
}

func TestMembers_Shown(t *testing.T) {
	n := newNode(t, Options{})
	want(t, n.do("GET", "/v1/members", ""), 200,
		`{"index":0,"committed":true,"joint":false,"members":[{"id":"n1","suffrage":"voter"},{"id":"n2","suffrage":"voter"},{"id":"n3","suffrage":"voter"}]}`)
	n.replica.change(func() {
		n.replica.state.Role = protocol.Follower // on any node
		n.replica.state.ConfigurationIndex, n.replica.state.ConfigurationCommitted = 12, false
		n.replica.state.Configuration = protocol.Configuration{Joint: true, Members: []protocol.Member{
			{ID: "n1", Suffrage: protocol.Leaving, Address: "127.0.0.1:7101", Directory: "d1"}, {ID: "n4", Suffrage: protocol.Joining},
		}}
	})
	want(t, n.do("GET", "/v1/members", ""), 200,
		`{"index":12,"committed":false,"joint":true,"members":[{"id":"n1","suffrage":"leaving","address":"127.0.0.1:7101","directory":"d1"},{"id":"n4","suffrage":"joining"}]}`)
	n.replica.change(func() {
		n.replica.state.Configuration, n.replica.state.ConfigurationIndex = protocol.Configuration{}, 0
	})
	want(t, n.do("GET", "/v1/members", ""), 200, `"members":[]`) // it waits to be added
	want(t, n.do("GET", "/v1/members?id=n1", ""), 400, "none is allowed here")
	want(t, n.do("PUT", "/v1/members", ""), 405, "method_not_allowed")
	want(t, n.do("GET", "/v1/members/n1", ""), 405, "method_not_allowed")
	if allow := n.do("PUT", "/v1/members", "").Header.Get("Allow"); allow != "GET, HEAD, POST" {
		t.Error(allow)
	}
}

func TestMembers_Changed(t *testing.T) {
	add := func(members ...protocol.Member) protocol.Change { return protocol.Change{Add: members} }
	for _, c := range []struct {
		name, method, path, body string
		want                     protocol.Change
	}{
		{
			"a voter", "POST", "/v1/members", `{"add":[{"id":"n4","address":"127.0.0.1:7104"}]}`,
			add(protocol.Member{ID: "n4", Suffrage: protocol.Voter, Address: "127.0.0.1:7104"}),
		},
		{
			"a learner", "POST", "/v1/members", `{"add":[{"id":"n4","address":"127.0.0.1:7104","learner":true}]}`,
			add(protocol.Member{ID: "n4", Suffrage: protocol.Learner, Address: "127.0.0.1:7104"}),
		},
		{
			"no address", "POST", "/v1/members", `{"add":[{"id":"n4"}]}`,
			add(protocol.Member{ID: "n4", Suffrage: protocol.Voter}),
		},
		{
			"all at once", "POST", "/v1/members", `{"add":[{"id":"n4"},{"id":"n5","learner":false}],"remove":["n1","n2"]}` + "\n",
			protocol.Change{
				Add:    []protocol.Member{{ID: "n4", Suffrage: protocol.Voter}, {ID: "n5", Suffrage: protocol.Voter}},
				Remove: []protocol.NodeID{"n1", "n2"},
			},
		},
		{"one goes", "DELETE", "/v1/members/n1", "", protocol.Change{Remove: []protocol.NodeID{"n1"}}},
		{"one with an odd name goes", "DELETE", "/v1/members/a%2Fb%20", "", protocol.Change{Remove: []protocol.NodeID{"a/b "}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, Options{})
			asked := n.replica.changing(protocol.Bootstrap([]protocol.NodeID{"n2"}))
			want(t, n.do(c.method, c.path, c.body), 200, `{"index":12,"committed":true,"joint":false,"members":[{"id":"n2","suffrage":"voter"}]}`)
			if diff := cmp.Diff(c.want, *asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A leader that removes itself answers, and says that it leads no more.
func TestMembers_LeaderRemovesItself(t *testing.T) {
	n := newNode(t, Options{})
	n.replica.members = func(context.Context, protocol.Change) error {
		n.replica.change(func() {
			n.replica.state.Role, n.replica.state.Leader, n.replica.state.Term = protocol.Follower, "n2", 4
			n.replica.state.Configuration = protocol.Bootstrap([]protocol.NodeID{"n2"})
		})
		return nil
	}
	resp := n.do("DELETE", "/v1/members/n1", "")
	want(t, resp, 200, `"members":[{"id":"n2","suffrage":"voter"}]`)
	if resp.Header.Get("Raft-Leader") != "n2" || resp.Header.Get("Raft-Term") != "4" {
		t.Errorf("headers %v", resp.Header)
	}
}

// A change that takes longer than a request goes on.
func TestMembers_ChangeGoesOn(t *testing.T) {
	n := newNode(t, Options{RequestTimeout: 20 * time.Millisecond})
	joining := protocol.Configuration{Members: []protocol.Member{{ID: "n1", Suffrage: protocol.Voter}, {ID: "n4", Suffrage: protocol.Joining}}}
	n.replica.members = func(ctx context.Context, _ protocol.Change) error {
		n.replica.change(func() {
			n.replica.state.Configuration, n.replica.state.ConfigurationIndex, n.replica.state.ConfigurationCommitted = joining, 12, false
		})
		<-ctx.Done()
		return fmt.Errorf("wait for the change: %w", ctx.Err())
	}
	want(t, n.do("POST", "/v1/members", `{"add":[{"id":"n4"}]}`), 202,
		`{"index":12,"committed":false,"joint":false,"members":[{"id":"n1","suffrage":"voter"},{"id":"n4","suffrage":"joining"}]}`)
}

func TestMembers_ChangeRefused(t *testing.T) {
	n := newNode(t, Options{})
	outcome := func(body, outcome string) {
		t.Helper()
		if !strings.Contains(body, `"outcome":"`+outcome+`"`) {
			t.Error(body)
		}
	}
	post := func(body string) *http.Response { return n.do("POST", "/v1/members", body) }
	for _, c := range []struct {
		err     error
		status  int
		code    string
		text    string
		outcome string
	}{
		{fmt.Errorf(`%w: "n9" is no member`, raft.ErrChange), 400, "bad_request", `the members cannot be changed so: \"n9\" is no member; the members are n1, n2, n3`, "none"},
		{raft.ErrChanging, 409, "change_in_progress", "a change of members is under way", "none"},
		{raft.ErrTransferring, 409, "transfer_in_progress", "", "none"},
		{raft.ErrCanceled, 409, "change_canceled", "taken back", "unknown"},
		{raft.ErrLeadershipLost, 504, "leadership_lost", "the next leader goes on with the change if it has it", "unknown"},
		{raft.ErrStopped, 504, "stopping", "", "unknown"},
	} {
		n.replica.change(func() { n.replica.members = func(context.Context, protocol.Change) error { return c.err } })
		for _, resp := range []*http.Response{n.do("DELETE", "/v1/members/n9", ""), post(`{"remove":["n9"]}`)} {
			body := want(t, resp, c.status, `"error":"`+c.code+`"`)
			outcome(body, c.outcome)
			if !strings.Contains(body, c.text) {
				t.Errorf("%s does not say %s", body, c.text)
			}
		}
	}

	// What is never asked of the replica.
	n.replica.change(func() {
		n.replica.members = func(_ context.Context, change protocol.Change) error {
			t.Errorf("asked for %+v", change)
			return nil
		}
	})
	for body, text := range map[string]string{
		"":                                     "nothing is to be changed",
		"{}":                                   "nothing is to be changed",
		`{"add":[],"remove":[]}`:               "nothing is to be changed",
		"null":                                 "it is no object",
		"n4":                                   "the body must be ",
		`[{"id":"n4"}]`:                        "the body must be ",
		`{"add":{"id":"n4"}}`:                  "the body must be ",
		`{"add":["n4"]}`:                       "the body must be ",
		`{"remove":"n1"}`:                      "the body must be ",
		`{"remove":["n1"]} {}`:                 "something follows the object",
		`{"remove":["n1"]`:                     "unexpected EOF",
		`{"delete":["n1"]}`:                    `unknown field`,
		`{"add":[{"id":"n4","voter":true}]}`:   `unknown field`,
		`{"add":[{"id":"n4","learner":"no"}]}`: "the body must be ",
		`{"add":[{"id":"n4","learner":true}],"add":[{"id":"n5"}]}`: `the field \"add\" is given twice`,
		`{"add":[{"id":"n4","address":"a:1","addreſs":"b:1"}]}`:    `is given twice`,
		`{"add":[{"id":"n4","ID":"n5"}]}`:                          `the field \"ID\" is given twice`,
		`{"add":[{"address":"127.0.0.1:7104"}]}`:                   `add has id \"\": a name has up to 32`,
		`{"add":[{"id":"n 4"}]}`:                                   `add has id \"n 4\"`,
		`{"add":[{"id":"` + strings.Repeat("n", 33) + `"}]}`:       "up to 32",
		`{"add":[{"id":"n4","address":"n4"}]}`:                     `add has address \"n4\" of n4: write host:port`,
		`{"add":[{"id":"n4","address":"127.0.0.1:0"}]}`:            "write host:port",
		`{"add":[{"id":"n4","address":":7104"}]}`:                  "write host:port",
		`{"add":[{"id":"n4","address":"127.0.0.1:70000"}]}`:        "write host:port",
	} {
		outcome(want(t, post(body), 400, text), "none")
	}
	outcome(want(t, n.do("DELETE", "/v1/members/", ""), 400, "the member's name is empty"), "none")
	outcome(want(t, n.do("DELETE", "/v1/members/n1?force=true", ""), 400, "none is allowed here"), "none")
	outcome(want(t, n.do("POST", "/v1/members?add=n4", ""), 400, "none is allowed here"), "none")
	outcome(want(t, post(`{"remove":["`+strings.Repeat("n", maxChangeBytes)+`"]}`), 413, "more than 65536 bytes"), "none")

	n.replica.change(func() {
		n.replica.state.Role, n.replica.state.Leader, n.replica.state.LeaderURL = protocol.Follower, "n2", "http://n2.test"
	})
	for resp, location := range map[*http.Response]string{
		post(`{"remove":["n1"]}`):               "http://n2.test/v1/members",
		n.do("DELETE", "/v1/members/n%201", ""): "http://n2.test/v1/members/n%201",
	} {
		want(t, resp, 307, "not_leader")
		if got := resp.Header.Get("Location"); got != location {
			t.Errorf("Location: %s, want %s", got, location)
		}
	}
	n.replica.change(func() { n.replica.state.Leader, n.replica.state.LeaderURL = "", "" })
	want(t, post(`{"remove":["n1"]}`), 503, "no_leader")
	n.Stop()
	want(t, post(`{"remove":["n1"]}`), 503, "stopping")
	want(t, n.do("DELETE", "/v1/members/n1", ""), 503, "stopping")
	want(t, n.do("GET", "/v1/members", ""), 200, "members") // an operator may look
}

// A leader that finds itself deposed when it is about to change the members sends the client on.
func TestMembers_ChangeTooLate(t *testing.T) {
	n := newNode(t, Options{})
	n.replica.members = func(context.Context, protocol.Change) error {
		n.replica.change(func() {
			n.replica.state.Role, n.replica.state.Leader, n.replica.state.LeaderURL = protocol.Follower, "n2", "http://n2.test"
		})
		return raft.ErrNotLeader
	}
	want(t, n.do("DELETE", "/v1/members/n1", ""), 307, "not_leader")
}

// Whatever is accepted as a change says the same when it is written down and read again.
func FuzzMembers_Order(f *testing.F) {
	f.Add([]byte(`{"add":[{"id":"n4","address":"127.0.0.1:7104","learner":true}],"remove":["n1"]}`))
	f.Add([]byte(`{"Add":[{"id":"n4","ıd":"n5"}],"add":null}`))
	f.Add([]byte(`{"remove":["\ud800"]} `))
	f.Add([]byte(`[[{"a":{"b":[1,{"b":1e9}]}}]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var order changeOrder
		given, err := parseOrder(data, &order)
		if err != nil {
			return
		}
		if !given && (len(bytes.TrimSpace(data)) > 0 || len(order.Add)+len(order.Remove) > 0) {
			t.Fatalf("%q is taken for nothing", data)
		}
		change, err := order.change()
		if err != nil {
			return
		}
		again, err := json.Marshal(order)
		if err != nil {
			t.Fatal(err)
		}
		var reread changeOrder
		if _, err := parseOrder(again, &reread); err != nil {
			t.Fatalf("%s, written from %q: %v", again, data, err)
		}
		second, err := reread.change()
		if diff := cmp.Diff(change, second); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}
