package kv

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// Each code of the contract, from a request that a client could send.
func TestService_Codes(t *testing.T) {
	long := strings.Repeat("k", 33)
	for _, c := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		contains                   string
	}{
		{"read", "GET", "/v1/kv/here", "", nil, 200, "value"},
		{"head", "HEAD", "/v1/kv/here", "", nil, 200, ""},
		{"stale read", "GET", "/v1/kv/here?consistency=stale", "", nil, 200, "value"},
		{"named default", "GET", "/v1/kv/here?consistency=linearizable", "", nil, 200, "value"},
		{"absent", "GET", "/v1/kv/absent", "", nil, 404, `"error":"not_found"`},
		{"put", "PUT", "/v1/kv/new", "x", nil, 200, `{"index":2,"term":3,"revision":2}`},
		{"put nothing", "PUT", "/v1/kv/new", "", nil, 200, `"revision":2`},
		{"append", "POST", "/v1/kv/here?op=append", "x", nil, 200, `"revision":2`},
		{"delete", "DELETE", "/v1/kv/here", "", nil, 200, `"revision":2`},
		{"delete nothing", "DELETE", "/v1/kv/absent", "", nil, 200, `"revision":0`},
		{"swap", "PUT", "/v1/kv/here", "x", []string{"If-Match", `"1"`}, 200, `"revision":2`},
		{"create", "PUT", "/v1/kv/new", "x", []string{"If-None-Match", "*"}, 200, `"revision":2`},
		{"conditional delete", "DELETE", "/v1/kv/here", "", []string{"If-Match", `"1"`}, 200, `"revision":2`},
		{"swap fails", "PUT", "/v1/kv/here", "x", []string{"If-Match", `"7"`}, 412, `"revision":1`},
		{"swap of nothing", "PUT", "/v1/kv/new", "x", []string{"If-Match", `"7"`}, 412, `"revision":0`},
		{"create fails", "PUT", "/v1/kv/here", "x", []string{"If-None-Match", "*"}, 412, `"error":"precondition_failed"`},
		{"session", "POST", "/v1/sessions", "", nil, 201, `{"session":"2"}`},
		{"no such session", "DELETE", "/v1/sessions/9", "", nil, 410, "session_expired"},
		{"write in no session", "PUT", "/v1/kv/here", "x", []string{"Session-Id", "9", "Session-Seq", "1"}, 410, `"outcome":"none"`},
		{"list", "GET", "/v1/kv", "", nil, 200, `{"index":1,"keys":[{"key":"here","revision":1,"bytes":5}]}`},
		{"status", "GET", "/v1/status", "", nil, 200, `{"id":"n1","cluster":"c1","role":"leader","term":3,"leader":"n1","last_index":1,"durable_index":1,"commit_index":1,"applied_index":1,"members":["n1","n2","n3"],"incarnation":""}`},
		{"log", "GET", "/v1/log?from=1&limit=5", "", nil, 200, `{"first":1,"entries":[{"index":1,"term":3,"checksum":`},
		{"log behind its end", "GET", "/v1/log?from=9", "", nil, 200, `{"first":9,"entries":[]}`},

		{"lease", "GET", "/v1/kv/here?consistency=lease", "", nil, 400, "allowed are linearizable (the default) and stale"},
		{"empty consistency", "GET", "/v1/kv/here?consistency=", "", nil, 400, "allowed are"},
		{"unknown parameter", "GET", "/v1/kv/here?min_index=3", "", nil, 400, `unknown query parameter \"min_index\"`},
		{"unknown parameter of a write", "PUT", "/v1/kv/here?op=append", "x", nil, 400, "none is allowed here"},
		{"parameter twice", "GET", "/v1/kv?limit=1&limit=2", "", nil, 400, "2 times"},
		{"malformed query", "GET", "/v1/kv?limit=%zz", "", nil, 400, "malformed query"},
		{"post without op", "POST", "/v1/kv/here", "x", nil, 400, "must be append"},
		{"empty key", "PUT", "/v1/kv/", "x", nil, 400, "key is empty"},
		{"limit", "GET", "/v1/kv?limit=0", "", nil, 400, "from 1 to 1000"},
		{"from", "GET", "/v1/log?from=0", "", nil, 400, "from=\\\"0\\\""},
		{"half a session", "PUT", "/v1/kv/here", "x", []string{"Session-Id", "1"}, 400, "belong together"},
		{"other half", "PUT", "/v1/kv/here", "x", []string{"Session-Seq", "1"}, 400, "belong together"},
		{"session name", "PUT", "/v1/kv/here", "x", []string{"Session-Id", "abc", "Session-Seq", "1"}, 400, "decimal number"},
		{"sequence 0", "PUT", "/v1/kv/here", "x", []string{"Session-Id", "1", "Session-Seq", "0"}, 400, "from 1"},
		{"session twice", "PUT", "/v1/kv/here", "x", []string{"Session-Id", "1", "Session-Id", "2", "Session-Seq", "1"}, 400, "2 times"},
		{"session to delete", "DELETE", "/v1/sessions/x", "", nil, 400, "decimal number"},
		{"unquoted revision", "PUT", "/v1/kv/here", "x", []string{"If-Match", "1"}, 400, "double quotes"},
		{"weak revision", "PUT", "/v1/kv/here", "x", []string{"If-Match", `W/"1"`}, 400, "double quotes"},
		{"revision 0", "PUT", "/v1/kv/here", "x", []string{"If-Match", `"0"`}, 400, "one revision"},
		{"if none match this", "PUT", "/v1/kv/here", "x", []string{"If-None-Match", `"1"`}, 400, "must be *"},
		{"both conditions", "PUT", "/v1/kv/here", "x", []string{"If-None-Match", "*", "If-Match", `"1"`}, 400, "not both"},

		{"nothing there", "GET", "/v2", "", nil, 404, "not_found"},
		{"method", "PATCH", "/v1/kv/here", "x", nil, 405, "method_not_allowed"},
		{"method of a session", "GET", "/v1/sessions", "", nil, 405, "method_not_allowed"},
		{"long key", "PUT", "/v1/kv/" + long, "x", nil, 413, "at most 32"},
		{"long key read", "GET", "/v1/kv/" + long, "", nil, 413, "at most 32"},
		{"long value", "PUT", "/v1/kv/here", strings.Repeat("x", 65), nil, 413, "65 bytes"},
		{"value grows too long", "POST", "/v1/kv/here?op=append", strings.Repeat("x", 60), nil, 413, "more than 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, Options{MaxKeyBytes: 32, MaxValueBytes: 64})
			want(t, n.do("PUT", "/v1/kv/here", "value"), 200, `"revision":1`)
			resp := n.do(c.method, c.target, c.body, c.headers...)
			want(t, resp, c.status, c.contains)
			for _, name := range []string{"Raft-Index", "Raft-Term", "Raft-Leader"} {
				if resp.Header.Get(name) == "" {
					t.Errorf("no header %s", name)
				}
			}
		})
	}
}

func TestService_Headers(t *testing.T) {
	n := newNode(t, Options{})
	resp := n.do("PUT", "/v1/kv/k", "v")
	if got := resp.Header.Get("Raft-Index") + " " + resp.Header.Get("Raft-Term"); got != "1 3" {
		t.Errorf("write at %s, want 1 3", got)
	}
	want(t, n.do("PUT", "/v1/kv/other", "v"), 200, "")
	resp = n.do("GET", "/v1/kv/k", "")
	if got := resp.Header.Get("Raft-Index") + " " + resp.Header.Get("ETag") + " " + resp.Header.Get("Raft-Leader"); got != `2 "1" n1` {
		t.Errorf("read %s, want 2 \"1\" n1", got)
	}
	if resp := n.do("PATCH", "/v1/kv/k", ""); resp.Header.Get("Allow") != "GET, HEAD, PUT, POST, DELETE" {
		t.Errorf("Allow: %s", resp.Header.Get("Allow"))
	}
}

// Every byte may stand in a key, escaped; a page's keys can be put into paths and queries as they are.
func TestService_AnyKey(t *testing.T) {
	n := newNode(t, Options{})
	for _, escaped := range []string{"a%2Fb", "a/c", "%00%FF", "..%2F..", "a+b%20c", "%3Fx=1%23"} {
		want(t, n.do("PUT", "/v1/kv/"+escaped, escaped), 200, "")
		want(t, n.do("GET", "/v1/kv/"+escaped, ""), 200, escaped)
	}
	want(t, n.do("GET", "/v1/kv?limit=2", ""), 200, `"next":"..%2F.."`)
	want(t, n.do("GET", "/v1/kv?after=..%2F..&limit=3", ""), 200, `"key":"a%2Bb%20c"`)
	want(t, n.do("GET", "/v1/kv?prefix=a%2F", ""), 200, `"key":"a%2Fb"`)
}

func TestService_ElsewhereAndNowhere(t *testing.T) {
	n := newNode(t, Options{})
	n.replica.change(func() {
		n.replica.state.Role, n.replica.state.Leader, n.replica.state.LeaderURL = protocol.Follower, "n2", "http://n2.test:81"
	})
	resp := n.do("PUT", "/v1/kv/a%2Fb", "v")
	want(t, resp, 307, `"leader":{"id":"n2","url":"http://n2.test:81"}`)
	if got := resp.Header.Get("Location"); got != "http://n2.test:81/v1/kv/a%2Fb" {
		t.Errorf("Location: %s", got)
	}
	if got := n.do("POST", "/v1/kv/a?op=append", "v").Header.Get("Location"); got != "http://n2.test:81/v1/kv/a?op=append" {
		t.Errorf("Location: %s", got)
	}
	want(t, n.do("POST", "/v1/sessions", ""), 307, "not_leader")
	want(t, n.do("GET", "/v1/kv/k", ""), 404, "not_found") // a read is answered here

	n.replica.change(func() {
		n.replica.state.Leader, n.replica.state.LeaderURL, n.replica.readErr = "", "", raft.ErrNoLeader
	})
	for _, method := range []string{"PUT", "GET"} {
		resp := n.do(method, "/v1/kv/k", "")
		want(t, resp, 503, `"error":"no_leader"`)
		if resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", method)
		}
	}
	want(t, n.do("GET", "/v1/kv/k?consistency=stale", ""), 404, "not_found")
}

func TestService_Refusals(t *testing.T) {
	n := newNode(t, Options{})
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{raft.ErrOverloaded, 503, "overloaded"},
		{raft.ErrStopped, 503, "stopping"},
		{raft.ErrTooLarge, 413, "too_large"},
	} {
		n.replica.change(func() { n.replica.proposeErr, n.replica.readErr = c.err, c.err })
		if body := want(t, n.do("PUT", "/v1/kv/k", "v"), c.status, c.code); !strings.Contains(body, `"outcome":"none"`) {
			t.Errorf("%v: %s", c.err, body)
		}
	}
	n.replica.change(func() { n.replica.proposeErr, n.replica.readErr = nil, errors.New("lost it") })
	want(t, n.do("GET", "/v1/kv/k", ""), 503, "no_leader")
	n.Stop()
	want(t, n.do("PUT", "/v1/kv/k", "v"), 503, "stopping")
	want(t, n.do("GET", "/readyz/serving", ""), 503, "[-]serving this node is stopping")
}

// An accepted write whose fate is not seen ends with 504, whatever the reason.
func TestService_OutcomeUnknown(t *testing.T) {
	held := func(t *testing.T, options Options) (*node, chan *http.Response) {
		n := newNode(t, options)
		n.replica.change(func() { n.replica.held = true })
		answer := make(chan *http.Response, 1)
		go func() { answer <- n.do("PUT", "/v1/kv/k", "v") }()
		n.awaitProposal(t, 1)
		return n, answer
	}
	t.Run("deadline", func(t *testing.T) {
		_, answer := held(t, Options{RequestTimeout: 30 * time.Millisecond})
		want(t, <-answer, 504, `"error":"timeout"`)
	})
	t.Run("leadership lost", func(t *testing.T) {
		n, answer := held(t, Options{})
		n.LeadershipChanged(3, true) // late news of the term it leads
		n.LeadershipChanged(3, false)
		if body := want(t, <-answer, 504, "leadership_lost"); !strings.Contains(body, `"outcome":"unknown"`) {
			t.Error(body)
		}
	})
	t.Run("later term", func(t *testing.T) {
		n, answer := held(t, Options{})
		n.LeadershipChanged(5, true)
		want(t, <-answer, 504, "leadership_lost")
	})
	t.Run("another entry landed there", func(t *testing.T) {
		n, answer := held(t, Options{})
		n.replica.overwrite()
		want(t, <-answer, 504, "leadership_lost")
	})
	t.Run("stopped", func(t *testing.T) {
		n, answer := held(t, Options{})
		n.replica.kill()
		want(t, <-answer, 504, "stopping")
	})
	t.Run("committed all the same", func(t *testing.T) {
		n, answer := held(t, Options{})
		n.replica.change(func() { n.replica.state.CommitIndex = 1 })
		n.LeadershipChanged(3, false)
		n.replica.change(func() { n.replica.held = false })
		want(t, <-answer, 200, `"revision":1`)
	})
	t.Run("read", func(t *testing.T) {
		n := newNode(t, Options{RequestTimeout: 20 * time.Millisecond})
		n.replica.change(func() { n.replica.held = true })
		want(t, n.do("GET", "/v1/kv/k", ""), 503, "no leader confirmed")
		n.replica.change(func() { n.replica.held, n.replica.state.CommitIndex = false, 9 })
		want(t, n.do("GET", "/v1/kv/k", ""), 503, "has applied entry 0, the read needs 9")
	})
}

// awaitProposal returns once so many entries were proposed.
func (n *node) awaitProposal(t *testing.T, count int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(n.replica.Entries(1, count)) < count {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no proposal came")
		}
	}
}
