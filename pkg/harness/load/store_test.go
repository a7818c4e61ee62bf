package load

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// store is a sound little cluster: one map behind several HTTP servers, of which one leads.
type store struct {
	t       *testing.T
	servers []*httptest.Server

	mu       sync.Mutex
	leader   int
	index    uint64
	values   map[string]record
	sessions map[string]answered1
	served   map[string]int // requests by node
	// spoil may answer in the store's place, before or after the operation took effect.
	before, after func(node int, w http.ResponseWriter, r *http.Request) bool
}

type record struct {
	value    string
	revision uint64
}

type answered1 struct {
	seq    uint64
	status int
	body   string
}

func newStore(t *testing.T, nodes int) *store {
	s := &store{t: t, values: map[string]record{}, sessions: map[string]answered1{}, served: map[string]int{}}
	for node := range nodes {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(node, w, r) }))
		t.Cleanup(server.Close)
		s.servers = append(s.servers, server)
	}
	return s
}

func (s *store) endpoints() []Node {
	var nodes []Node
	for i, server := range s.servers {
		nodes = append(nodes, Node{ID: fmt.Sprintf("n%d", i+1), URL: server.URL})
	}
	return nodes
}

func (s *store) serve(node int, w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served[fmt.Sprintf("n%d", node+1)]++
	if s.before != nil && s.before(node, w, r) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.Method != http.MethodGet && node != s.leader {
		w.Header().Set("Location", s.servers[s.leader].URL+r.URL.RequestURI())
		reply(w, http.StatusTemporaryRedirect, map[string]any{"error": "not_leader", "outcome": "none"})
		return
	}
	recorder := httptest.NewRecorder()
	s.execute(recorder, r, string(body))
	if s.after != nil && s.after(node, w, r) {
		return
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(recorder.Code)
	io.WriteString(w, recorder.Body.String())
}

func reply(w http.ResponseWriter, status int, fields map[string]any) {
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(status)
	w.Write(body)
}

func (s *store) execute(w *httptest.ResponseRecorder, r *http.Request, body string) {
	if r.URL.Path == "/v1/sessions" {
		s.index++
		id := strconv.FormatUint(s.index, 10)
		s.sessions[id] = answered1{}
		reply(w, http.StatusCreated, map[string]any{"session": id})
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/v1/kv/")
	if r.Method == http.MethodGet {
		s.get(w, key)
		return
	}
	id := r.Header.Get("Session-Id")
	if id == "" {
		s.write(w, r, key, body)
		return
	}
	seq, _ := strconv.ParseUint(r.Header.Get("Session-Seq"), 10, 64)
	last, ok := s.sessions[id]
	switch {
	case !ok:
		reply(w, http.StatusGone, map[string]any{"error": "session_gone", "outcome": "none"})
	case seq < last.seq:
		reply(w, http.StatusConflict, map[string]any{"error": "sequence_too_old", "outcome": "unknown"})
	case seq == last.seq:
		w.Header().Set("Session-Replayed", "true")
		w.WriteHeader(last.status)
		io.WriteString(w, last.body)
	default:
		s.write(w, r, key, body)
		s.sessions[id] = answered1{seq: seq, status: w.Code, body: w.Body.String()}
	}
}

func (s *store) get(w http.ResponseWriter, key string) {
	rec, ok := s.values[key]
	w.Header().Set("Raft-Index", strconv.FormatUint(s.index, 10))
	if !ok {
		reply(w, http.StatusNotFound, map[string]any{"error": "not_found", "outcome": "none"})
		return
	}
	w.Header().Set("ETag", strconv.Quote(strconv.FormatUint(rec.revision, 10)))
	io.WriteString(w, rec.value)
}

func (s *store) write(w http.ResponseWriter, r *http.Request, key, body string) {
	s.index++
	old, present := s.values[key]
	match := strings.Trim(r.Header.Get("If-Match"), `"`)
	if match != "" && match != strconv.FormatUint(old.revision, 10) || r.Header.Get("If-None-Match") == "*" && present {
		reply(w, http.StatusPreconditionFailed, map[string]any{"error": "condition", "outcome": "none", "revision": old.revision})
		return
	}
	revision := s.index
	switch r.Method {
	case http.MethodPut:
		s.values[key] = record{value: body, revision: s.index}
	case http.MethodPost:
		s.values[key] = record{value: old.value + body, revision: s.index}
	case http.MethodDelete:
		delete(s.values, key)
		if !present {
			revision = 0
		}
	}
	reply(w, http.StatusOK, map[string]any{"index": s.index, "term": 1, "revision": revision})
}
