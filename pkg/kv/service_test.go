package kv

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"whitewater/pkg/raft/protocol"
)

func TestService_Health(t *testing.T) {
	n := newNode(t, Options{ReadyTimeout: 20 * time.Millisecond, ReadyLag: 5})
	want(t, n.do("GET", "/livez", ""), 200, "[+]disk ok\n[+]replica ok\n")
	want(t, n.do("GET", "/readyz", ""), 200, "[+]serving ok\n[+]leader ok\n[+]applied ok\n[+]read ok\n")
	n.replica.change(func() {
		n.replica.held = true
		n.replica.state.Leader = ""
		n.replica.state.CommitIndex = 6
	})
	body := want(t, n.do("GET", "/readyz", ""), 503, "[-]leader no leader is known\n")
	for _, line := range []string{"[+]serving ok", "[-]applied applied 0 is over 5 behind commit 6", "[-]read no_leader: "} {
		if !strings.Contains(body, line) {
			t.Errorf("no %q in\n%s", line, body)
		}
	}
	want(t, n.do("GET", "/readyz?exclude=leader&exclude=applied&exclude=read", ""), 200, "[+]serving ok\n")
	want(t, n.do("GET", "/readyz?exclude=mood", ""), 400, "no such check")
	want(t, n.do("GET", "/readyz/leader", ""), 503, "[-]leader")
	want(t, n.do("GET", "/readyz/mood", ""), 404, "no check")
	want(t, n.do("GET", "/livez", ""), 200, "ok") // without a quorum
	n.replica.change(func() { n.replica.err = errors.New("fsync: input/output error") })
	n.replica.kill()
	want(t, n.do("GET", "/livez", ""), 503, "[-]disk fsync: input/output error\n[-]replica the replica has ended\n")
}

func TestService_Metrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := newNode(t, Options{Metrics: registry})
	before, err := testutil.GatherAndCount(registry)
	if err != nil {
		t.Fatal(err)
	}
	id := n.openSession(t)
	n.appendIn(id, 1, "xyz")
	n.appendIn(id, 1, "xyz")
	n.do("GET", "/v1/kv/absent", "")
	n.do("PUT", "/v1/kv/k", "v", "If-Match", `"9"`)
	expected := `
# HELP kv_duplicate_requests_total Repeated writes that this node answered from the session table, without a second effect.
# TYPE kv_duplicate_requests_total counter
kv_duplicate_requests_total 1
# HELP kv_keys Keys in the applied state.
# TYPE kv_keys gauge
kv_keys 1
# HELP kv_sessions Live client sessions in the applied state.
# TYPE kv_sessions gauge
kv_sessions 1
# HELP kv_state_bytes Bytes of keys and values in the applied state.
# TYPE kv_state_bytes gauge
kv_state_bytes 4
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(expected), "kv_duplicate_requests_total", "kv_keys", "kv_sessions", "kv_state_bytes"); err != nil {
		t.Error(err)
	}
	shown := text(t, n.do("GET", "/metrics?name[]=kv_requests_total", ""))
	for _, line := range []string{
		`kv_requests_total{code="200",op="append"} 2`, `kv_requests_total{code="404",op="get"} 1`,
		`kv_requests_total{code="412",op="cas"} 1`, `kv_requests_total{code="504",op="put"} 0`,
	} {
		if !strings.Contains(shown, line) {
			t.Errorf("no %s in\n%s", line, shown)
		}
	}
	if strings.Contains(shown, "kv_keys") {
		t.Error("name[] does not filter")
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	if after, err := testutil.GatherAndCount(registry); err != nil || after != before {
		t.Errorf("%d series when busy, %d when idle, %v", after, before, err)
	}
}

func TestService_PanicIsNotSurvived(t *testing.T) {
	var got any
	n := newNode(t, Options{OnPanic: func(value any, _ []byte) { got = value }})
	n.routes["/boom"] = route{"GET": func(http.ResponseWriter, *http.Request) error { panic("ElectionSafety") }}
	n.do("GET", "/boom", "")
	if got != "ElectionSafety" {
		t.Errorf("got %v", got)
	}
}

func TestOptions_AllFaultsAtOnce(t *testing.T) {
	_, err := NewService(NewMachine(), nil, Options{MaxKeyBytes: -1, SessionTTL: -time.Second})
	for _, part := range []string{"MaxKeyBytes -1 must be at least 1", "SessionTTL -1s must be at least 1ms"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}

// A body without a length is cut off at the limit; one that says it is too long is not waited for.
func TestService_BodyLimitOnASocket(t *testing.T) {
	n := newNode(t, Options{MaxValueBytes: 1000})
	server := httptest.NewServer(n)
	defer server.Close()
	chunked, err := http.NewRequest("PUT", server.URL+"/v1/kv/k", io.MultiReader(strings.NewReader(strings.Repeat("x", 1001))))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(chunked)
	if err != nil {
		t.Fatal(err)
	}
	want(t, resp, 413, "more than 1000 bytes")
	resp.Body.Close()

	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "413") {
		t.Errorf("answer %q, %v", line, err)
	}
}

// A client sees where to go, however much it sends.
func TestService_RedirectOfALargeBody(t *testing.T) {
	n := newNode(t, Options{MaxValueBytes: 32 << 20})
	n.replica.change(func() {
		n.replica.state.Role, n.replica.state.Leader, n.replica.state.LeaderURL = protocol.Follower, "n2", "http://n2.test"
	})
	server := httptest.NewServer(n)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n%s", strings.Repeat("x", 32<<20)); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "307") {
		t.Fatalf("answer %q, %v", line, err)
	}
}

// Whatever a client sends, it is answered with a code of the contract, and no panic.
func FuzzService(f *testing.F) {
	f.Add("PUT", "/v1/kv/k?op=append", "body", "1", "2", `"3"`, "*")
	f.Add("POST", "/v1/kv/%2F?op=append", "", "", "", "", "")
	f.Add("GET", "/v1/kv?limit=3&prefix=%ff", "", "", "", "", "")
	f.Add("GET", "/v1/log?from=18446744073709551615&limit=65536", "", "", "", "", "")
	f.Add("DELETE", "/v1/sessions/18446744073709551615", "", "", "", "", "")
	allowed := map[int]bool{200: true, 201: true, 400: true, 404: true, 405: true, 409: true, 410: true, 412: true, 413: true, 422: true}
	f.Fuzz(func(t *testing.T, method, target, body, id, sequence, match, noneMatch string) {
		if strings.Contains(target, "pprof") || strings.Contains(target, "metrics") {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(strings.NewReader(body))
		for name, value := range map[string]string{"Session-Id": id, "Session-Seq": sequence, "If-Match": match, "If-None-Match": noneMatch} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		n := newNode(t, Options{OnPanic: func(v any, stack []byte) { t.Errorf("panic: %v\n%s", v, stack) }})
		n.do("PUT", "/v1/kv/k", "v")
		w := httptest.NewRecorder()
		n.ServeHTTP(w, r)
		if !allowed[w.Code] {
			t.Fatalf("code %d: %s", w.Code, w.Body)
		}
	})
}
