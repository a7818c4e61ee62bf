package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// call makes one request and returns status, body and headers.
func (f *proxyFixture) call(method, path, body string, headers ...string) (int, string, http.Header) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.ctx, method, f.url+path, strings.NewReader(body))
	must(f.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := f.http.Do(r)
	must(f.t, err)
	text, err := io.ReadAll(res.Body)
	must(f.t, err)
	must(f.t, res.Body.Close())
	return res.StatusCode, string(text), res.Header
}

// Each row is a row of Toxiproxy's contract; they build on each other. ADDR is the listen address of link a.
func TestAPI_Toxiproxy(t *testing.T) {
	f := newProxyFixture(t, Options{Version: "v1"})
	const up = "127.0.0.1:9"
	addr := ""
	for _, row := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/version", "", 200, `{"version": "2.12.0", "chaosproxy": "v1"}` + "\n"},
		{"GET", "/proxies", "", 200, `{}`},
		{"POST", "/proxies", `{"name":`, 400, `{"error":"bad request body: unexpected EOF","status":400}` + "\n"},
		{"POST", "/proxies", `{}`, 400, `{"error":"missing required field: name","status":400}` + "\n"},
		{"POST", "/proxies", `{"name":"a"}`, 400, `{"error":"missing required field: upstream","status":400}` + "\n"},
		{"POST", "/proxies", `{"NAME":"a","upstream":"` + up + `","listen":"127.0.0.1:0","else":1}`, 201, `{"name":"a","listen":"ADDR","upstream":"127.0.0.1:9","enabled":true,"toxics":[]}`},
		{"POST", "/proxies", `{"name":"a","upstream":"` + up + `"}`, 409, `{"error":"proxy already exists","status":409}` + "\n"},
		{"POST", "/proxies", `{"name":"b","upstream":"` + up + `","listen":"ADDR"}`, 500, `{"error":"listen tcp ADDR: bind: address already in use","status":500}` + "\n"},
		{"GET", "/proxies/a", "", 200, `{"name":"a","listen":"ADDR","upstream":"127.0.0.1:9","enabled":true,"toxics":[]}`},
		{"GET", "/proxies/x", "", 404, `{"error":"proxy not found","status":404}` + "\n"},
		{"POST", "/proxies/a/toxics", `{"type":"latency"}`, 200, `{"attributes":{"latency":0,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","name":"latency_downstream","stream":"upstream"}`, 409, `{"error":"toxic already exists","status":409}` + "\n"},
		{"POST", "/proxies/a/toxics", `{"type":"timeout","stream":"UPstream","attributes":null}`, 200, `{"attributes":{"timeout":0},"name":"timeout_UPstream","type":"timeout","stream":"UPstream","toxicity":1}`},
		{"POST", "/proxies/a/toxics", `{"type":"latency","stream":"x"}`, 400, `{"error":"stream was invalid, can be either upstream or downstream","status":400}` + "\n"},
		{"POST", "/proxies/a/toxics", `{"type":"x"}`, 400, `{"error":"invalid toxic type","status":400}` + "\n"},
		{"POST", "/proxies/a/toxics", `{"type":"latency","name":"t","toxicity":1.5}`, 400, `{"error":"toxicity is 1.5: must be from 0 to 1, the share of connections concerned","status":400}` + "\n"},
		{"PATCH", "/proxies/a/toxics/latency_downstream", `{"toxicity":-1}`, 400, `{"error":"toxicity is -1: must be from 0 to 1, the share of connections concerned","status":400}` + "\n"},
		{"POST", "/proxies/x/toxics", `{"type":"latency"}`, 404, `{"error":"proxy not found","status":404}` + "\n"},
		{"PATCH", "/proxies/a/toxics/latency_downstream", `{"attributes":{"jitter":7},"toxicity":0.5}`, 200, `{"attributes":{"latency":0,"jitter":7},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.5}`},
		{"POST", "/proxies/a/toxics/latency_downstream", `{"attributes":{"latency":3}}`, 200, `{"attributes":{"latency":3,"jitter":7},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.5}`},
		{"GET", "/proxies/a/toxics/x", "", 404, `{"error":"toxic not found","status":404}` + "\n"},
		{"GET", "/proxies/a/toxics", "", 200, `[{"attributes":{"timeout":0},"name":"timeout_UPstream","type":"timeout","stream":"UPstream","toxicity":1},{"attributes":{"latency":3,"jitter":7},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.5}]`},
		{"DELETE", "/proxies/a/toxics/timeout_UPstream", "", 204, ``},
		{"DELETE", "/proxies/a/toxics/timeout_UPstream", "", 404, `{"error":"toxic not found","status":404}` + "\n"},
		{"POST", "/proxies/a", `{"enabled":false}`, 200, `{"name":"a","listen":"ADDR","upstream":"127.0.0.1:9","enabled":false,"toxics":[{"attributes":{"latency":3,"jitter":7},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.5}]}`},
		{"POST", "/populate", `[{"name":"a"}]`, 400, `{"error":"missing required field: upstream at proxy 1","status":400,"proxies":null}`},
		{"POST", "/populate", `[{"name":"a","upstream":"` + up + `","listen":"ADDR"}]`, 201, `{"proxies":[{"name":"a","listen":"ADDR","upstream":"127.0.0.1:9","enabled":false,"toxics":[{"attributes":{"latency":3,"jitter":7},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":0.5}]}]}`},
		{"POST", "/populate", `[{"name":"a","upstream":"127.0.0.1:8","listen":"ADDR"},{"name":"b","upstream":"` + up + `","listen":"ADDR"}]`, 500, `{"error":"proxy \"b\": listen tcp ADDR: bind: address already in use","status":500,"proxies":[{"name":"a","listen":"ADDR","upstream":"127.0.0.1:8","enabled":true,"toxics":[]}]}`},
		{"POST", "/populate", `[]`, 201, `{"proxies":null}`},
		{"POST", "/reset", `anything`, 204, ``},
		{"PUT", "/proxies", "", 405, ``},
		{"GET", "/nothing", "", 404, "404 page not found\n"},
		{"DELETE", "/proxies/a", "", 204, ``},
		{"DELETE", "/proxies/a", "", 404, `{"error":"proxy not found","status":404}` + "\n"},
	} {
		status, body, header := f.call(row.method, row.path, strings.ReplaceAll(row.body, "ADDR", addr))
		if addr == "" && status == 201 {
			var p Proxy
			must(t, json.Unmarshal([]byte(body), &p))
			addr = p.Listen
		}
		if want := strings.ReplaceAll(row.want, "ADDR", addr); status != row.status || body != want {
			t.Errorf("%s %s %s:\n got %d %q\nwant %d %q", row.method, row.path, row.body, status, body, row.status, want)
		}
		if routed := row.status != 405 && row.path != "/nothing"; routed != (header.Get("X-Toxiproxy-Request-Id") != "") {
			t.Errorf("%s %s: request id %q", row.method, row.path, header.Get("X-Toxiproxy-Request-Id"))
		}
	}
}

func TestAPI_KeepsBrowsersOut(t *testing.T) {
	f := newProxyFixture(t, Options{Limits: Limits{MaxBodyBytes: 100}})
	for _, row := range []struct {
		status  int
		body    string
		headers []string
	}{
		{403, "", []string{"User-Agent", "Mozilla/5.0"}},
		{403, "", []string{"Origin", "http://evil.example"}},
		{403, "", []string{"Sec-Fetch-Site", "cross-site"}},
		{413, `{"name":"` + strings.Repeat("x", 200) + `"}`, nil},
		{204, "", nil},
	} {
		path := "/reset"
		if row.body != "" {
			path = "/proxies"
		}
		if status, body, _ := f.call("POST", path, row.body, row.headers...); status != row.status {
			t.Errorf("%v: %d %s, want %d", row.headers, status, body, row.status)
		}
	}
}

func TestAPI_OursRefuseUnknownFields(t *testing.T) {
	f := newProxyFixture(t, Options{})
	rpcLink(f)
	for _, row := range [][2]string{
		{"/faults", `{"all":true,"fault":{"type":"drop","typo":1}}`},
		{"/faults", `{"all":true,"typo":1,"fault":{"type":"drop"}}`},
		{"/proxies/n1-%3En2/faults", `{"type":"drop","typo":1}`},
		{"/presets/lab-unreliable", `{"typo":1}`},
		{"/partitions", `{"name":"p","groups":[["a"],["b"]],"typo":1}`},
		{"/watches", `{"name":"w","typo":1}`},
		{"/upstreams", `{"upstreams":{},"typo":1}`},
	} {
		status, body, _ := f.call("POST", row[0], row[1])
		if status != 400 || !strings.Contains(body, `unknown field \"typo\"`) {
			t.Errorf("%s %s: %d %s", row[0], row[1], status, body)
		}
	}
	if _, body, _ := f.call("POST", "/proxies/n1-%3En2/faults", `{"type":"drop"}`); !strings.Contains(body, `"probability":1`) {
		t.Errorf("a fault's probability is 1 unless it says otherwise: %s", body)
	}
}

// Every series exists from the link's creation, and goes with it.
func TestMetrics_Series(t *testing.T) {
	f := newProxyFixture(t, Options{ProxyMetrics: true})
	_, err := f.AddWatch(f.ctx, Watch{Name: "w", Method: "M"})
	must(t, err)
	addr, up := rpcLink(f)
	idle := f.series()
	client := dial(t, addr)
	server := up()
	client.send(request(1, "M", 0))
	server.send(response(server.frame().ID, 0))
	client.frame()
	if busy := f.series(); busy != idle {
		t.Errorf("series of a busy link:\n%s\nof an idle one:\n%s", busy, idle)
	}
	problems, err := testutil.GatherAndLint(f.server.metrics.registry)
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, d := range []string{"upstream", "downstream"} {
		if f.metric("chaosproxy_received_bytes_total", "direction="+d, "link=n1->n2") <= 0 || f.metric("chaosproxy_sent_bytes_total", "direction="+d, "link=n1->n2") <= 0 {
			t.Errorf("%s bytes do not move while the connection lives", d)
		}
	}
	must(t, f.Delete(f.ctx, "n1->n2"))
	client.expectEOF()
	if rest := f.series(); rest != "" {
		t.Errorf("left behind:\n%s", rest)
	}
}

// series lists the series of links, without values.
func (f *proxyFixture) series() string {
	text, err := f.Metrics(f.ctx)
	must(f.t, err)
	var all []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `n1->n2`) && !strings.HasPrefix(line, "#") {
			all = append(all, line[:strings.LastIndex(line, " ")])
		}
	}
	return strings.Join(all, "\n")
}

func TestMetrics_MethodsAreAClosedSet(t *testing.T) {
	f := newProxyFixture(t, Options{Limits: Limits{MaxMethods: 2}})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	for i, method := range []string{"A", "\xff", "B", "C", "D"} {
		client.send(request(byte(i), method, 0))
		server.frame()
	}
	for method, want := range map[string]float64{"A": 1, "B": 1, "C": -1, "other": 3} {
		if n := f.metric("chaosproxy_frames_total", "kind=request", "link=n1->n2", "method="+method); n != want {
			t.Errorf("method %s: %v frames, want %v", method, n, want)
		}
	}
}

// docs/chaosproxy.md names every family, and no other.
func TestMetrics_Documented(t *testing.T) {
	f := newProxyFixture(t, Options{})
	rpcLink(f)
	_, err := f.AddWatch(f.ctx, Watch{Name: "w"})
	must(t, err)
	page, err := os.ReadFile("../../docs/chaosproxy.md")
	must(t, err)
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile("`(?:chaosproxy)?(_[a-z_]+)`").FindAllStringSubmatch(string(page), -1) {
		documented["chaosproxy"+m[1]] = true
	}
	families, err := f.server.metrics.registry.Gather()
	must(t, err)
	for _, family := range families {
		if name := family.GetName(); strings.HasPrefix(name, "chaosproxy_") {
			if !documented[name] {
				t.Errorf("%s is not documented", name)
			}
			delete(documented, name)
		}
	}
	for name := range documented {
		t.Errorf("%s is documented and does not exist", name)
	}
}

func TestLink_DisabledKeepsItsPort(t *testing.T) {
	f := newProxyFixture(t, Options{})
	ln := listener(t)
	addr := f.link(Proxy{Name: "l", Upstream: ln.Addr().String()})
	client, server := pair(t, addr, ln)
	for range 3 {
		must(t, f.SetEnabled(f.ctx, "l", false))
		client.expectEOF()
		server.expectEnd()
		if c, err := net.Dial("tcp", addr); err == nil {
			t.Fatal("a disabled link accepts", c.Close())
		}
		if other, err := net.Listen("tcp", addr); err == nil {
			t.Fatal("someone else can take the port", other.Close())
		}
		must(t, f.SetEnabled(f.ctx, "l", true))
		client, server = pair(t, addr, ln)
		client.send([]byte("x"))
		server.expect("x")
	}
}

func TestLink_UpstreamChangesKeepTheListener(t *testing.T) {
	f := newProxyFixture(t, Options{})
	first, second := listener(t), listener(t)
	addr := f.link(Proxy{Name: "l", Upstream: "127.0.0.1:0"})
	dialReset(t, addr)
	_, err := f.SetUpstreams(f.ctx, map[string]string{"l": first.Addr().String()})
	must(t, err)
	client, server := pair(t, addr, first)
	client.send([]byte("x"))
	server.expect("x")
	up := second.Addr().String()
	p, err := f.Update(f.ctx, "l", ProxyUpdate{Upstream: &up})
	must(t, err)
	if p.Listen != addr {
		t.Errorf("listens on %s, was %s", p.Listen, addr)
	}
	client.expectEOF()
	pair(t, addr, second)
}

// A refusal says which link and which value, and changes nothing.
func TestLink_UpstreamRefusals(t *testing.T) {
	f := newProxyFixture(t, Options{})
	const up = "127.0.0.1:9"
	f.link(Proxy{Name: "l", Upstream: up})
	if _, err := f.SetUpstreams(f.ctx, map[string]string{"l": "127.0.0.1:8", "x": up}); !errors.Is(err, ErrProxyNotFound) || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("unknown link: %v", err)
	}
	for _, addr := range []string{"nonsense", "nonsense:", "host:http", "host:65536", ":7102", "::1:7102"} {
		_, err := f.SetUpstreams(f.ctx, map[string]string{"l": addr})
		if statusOf(err).Status != 400 || !strings.Contains(err.Error(), fmt.Sprintf(`upstream %q of proxy "l"`, addr)) {
			t.Errorf("upstream %q: %v", addr, err)
		}
	}
	if p, err := f.server.Get("l"); err != nil || p.Upstream != up {
		t.Errorf("upstream %q, %v after refusals, want %s", p.Upstream, err, up)
	}
	if _, err := f.SetUpstreams(f.ctx, map[string]string{"l": "[::1]:0"}); err != nil {
		t.Errorf("an upstream not known yet: %v", err)
	}
}

func TestLink_ListensOnLoopbackUnlessToldOtherwise(t *testing.T) {
	f := newProxyFixture(t, Options{})
	for listen, want := range map[string]string{"": "127.0.0.1", ":0": "127.0.0.1", "0.0.0.0:0": "0.0.0.0"} {
		host, _, err := net.SplitHostPort(f.link(Proxy{Name: "l" + listen, Listen: listen, Upstream: "127.0.0.1:9"}))
		must(t, err)
		if host != want {
			t.Errorf("listen %q is on %s, want %s", listen, host, want)
		}
	}
	moved := ":0"
	p, err := f.Update(f.ctx, "l", ProxyUpdate{Listen: &moved})
	must(t, err)
	if !strings.HasPrefix(p.Listen, "127.0.0.1:") {
		t.Errorf("moved to %s", p.Listen)
	}
}

func TestLink_Limits(t *testing.T) {
	f := newProxyFixture(t, Options{Limits: Limits{MaxConnections: 1, MaxFrameBytes: 100, MaxPending: 2}})
	addr, up := rpcLink(f)
	client := dial(t, addr)
	server := up()
	dialReset(t, addr)
	f.awaitMetric(1, "chaosproxy_connections_total", "link=n1->n2", "result=refused")
	for i := range byte(3) {
		client.send(request(i, "M", 0))
	}
	server.frame()
	server.frame()
	server.expectEOF()
	f.awaitMetric(0, "chaosproxy_connections", "link=n1->n2")
	large := dial(t, addr)
	up()
	large.send(append([]byte{0x94, 0, 1, 0xd9, 200}, make([]byte, 200)...))
	f.awaitMetric(2, "chaosproxy_protocol_errors_total", "link=n1->n2")
}

// A delayed flood does not fill memory: the proxy stops reading.
func TestLink_BackPressure(t *testing.T) {
	f := newProxyFixture(t, Options{Limits: Limits{MaxBufferedBytes: 1 << 16}})
	client, server := byteLink(f)
	f.toxic("b", ToxicLatency, "upstream", `{"latency": 3600000}`)
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = client.Write(make([]byte, 64<<20))
	}()
	f.await(func() bool {
		return f.metric("chaosproxy_received_bytes_total", "direction=upstream", "link=b") >= 1<<16
	}, "nothing moves")
	server.silent()
	if n := f.metric("chaosproxy_received_bytes_total", "direction=upstream", "link=b"); n > 1<<16+readBytes {
		t.Errorf("%v bytes taken in, the bound is %d", n, 1<<16)
	}
	must(t, f.Delete(f.ctx, "b")) // while blocked
	<-wrote
}

func TestReset_PutsEverythingBack(t *testing.T) {
	f := newProxyFixture(t, Options{})
	addr, up := rpcLink(f)
	f.toxic("n1->n2", ToxicLatency, "upstream", `{"latency": 3600000}`)
	_, err := f.AddPreset(f.ctx, PresetLabUnreliable, AllLinks())
	must(t, err)
	f.partition(Partition{Groups: [][]string{{"n1"}, {"n2"}}})
	must(t, f.SetEnabled(f.ctx, "n1->n2", false))
	must(t, f.Reset(f.ctx))
	client := dial(t, addr)
	client.send(request(1, "M", 0))
	up().frame()
	for _, fault := range faultTypes() {
		if n := f.metric("chaosproxy_faults_active", "fault="+fault, "link=n1->n2"); n != 0 {
			t.Errorf("%v %s in force after a reset", n, fault)
		}
	}
}

func FuzzAPI(f *testing.F) {
	for _, seed := range []string{
		`{"name":"a","upstream":"127.0.0.1:1"}`, `[{"name":"a","upstream":"b"}]`, `{"type":"latency","attributes":{"latency":1}}`,
		`{"all":true,"fault":{"type":"delay","delay_ms":1e300}}`, `{"groups":[["a"],["b"]],"name":"p"}`, `null`, `[null]`, `{"links":["l"],"fault":null}`,
	} {
		for route := range uint8(8) {
			f.Add(route, seed)
		}
	}
	paths := []string{"/proxies", "/populate", "/proxies/l", "/proxies/l/toxics", "/faults", "/partitions", "/watches", "/upstreams"}
	f.Fuzz(func(t *testing.T, route uint8, body string) {
		if strings.Contains(strings.ToLower(body), "listen") {
			t.Skip("ports and host names are the system's")
		}
		s := NewServer(Options{})
		defer func() { must(t, s.Close()) }()
		_, err := s.Create(Proxy{Name: "l", Upstream: "127.0.0.1:0", Protocol: ProtocolMsgpackRPC, Source: "a", Target: "b"})
		must(t, err)
		w := &recorder{header: http.Header{}}
		r, err := http.NewRequest(http.MethodPost, "http://x"+paths[int(route)%len(paths)], strings.NewReader(body))
		must(t, err)
		s.Handler().ServeHTTP(w, r)
		if w.status/100 != 2 && w.status/100 != 4 || w.status/100 == 4 && !json.Valid(w.body.Bytes()) {
			t.Fatalf("%s %q: %d %s", r.URL.Path, body, w.status, w.body.String())
		}
	})
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) String() string              { return fmt.Sprint(r.status, r.body.String()) }
