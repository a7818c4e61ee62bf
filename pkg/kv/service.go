package kv

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"whitewater/pkg/raft/protocol"
)

// Service is a node's HTTP API.
type Service struct {
	options  Options
	machine  *Machine
	replica  Replica
	metrics  *metrics
	routes   map[string]route // by path
	subtrees map[string]route // by path prefix, which ends in a slash
	stopping atomic.Bool

	leadership leadership
}

// route is what a path answers, by method.
type route map[string]handler

// handler answers a request itself or returns a *refusal.
type handler func(w http.ResponseWriter, r *http.Request) error

// NewService joins a state machine and the replica that feeds it, and registers its metrics.
func NewService(machine *Machine, replica Replica, options Options) (*Service, error) {
	if err := options.Validate(); err != nil {
		return nil, fmt.Errorf("kv options: %w", err)
	}
	options = options.withDefaults()
	m, err := newMetrics(options.Metrics, machine)
	if err != nil {
		return nil, fmt.Errorf("register kv metrics: %w", err)
	}
	s := &Service{options: options, machine: machine, replica: replica, metrics: m, leadership: newLeadership()}
	exposition := promhttp.HandlerFor(options.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true})
	s.routes = map[string]route{
		"/v1/kv":              {http.MethodGet: s.counted("list", s.list)},
		"/v1/sessions":        {http.MethodPost: s.counted("session_create", s.createSession)},
		"/v1/status":          {http.MethodGet: s.status},
		"/v1/log":             {http.MethodGet: s.log},
		"/v1/snapshot":        {http.MethodPost: s.snapshot},
		"/v1/leader/transfer": {http.MethodPost: s.transfer},
		"/v1/members":         {http.MethodGet: s.members, http.MethodPost: s.changeMembers},
		"/livez":              {http.MethodGet: s.livez},
		"/readyz":             {http.MethodGet: s.readyz},
		"/metrics":            {http.MethodGet: plain(exposition)},
	}
	s.subtrees = map[string]route{
		"/v1/kv/": {
			http.MethodGet:    s.counted("get", s.get),
			http.MethodPut:    s.put,
			http.MethodPost:   s.counted("append", s.append),
			http.MethodDelete: s.counted("delete", s.delete),
		},
		"/v1/sessions/": {http.MethodDelete: s.counted("session_delete", s.deleteSession)},
		"/v1/members/":  {http.MethodDelete: s.removeMember},
		"/readyz/":      {http.MethodGet: s.readyCheck},
		"/debug/pprof/": pprofRoute(),
	}
	return s, nil
}

// Stop makes the service refuse new requests of clients. Those under way are not touched.
func (s *Service) Stop() { s.stopping.Store(true) }

// LeadershipChanged tells the service whether this node leads in a term, so that it gives up waiting
// for writes it proposed in others, and that another look at who leads is worth it. It should be called for each
// change, and may be called late.
func (s *Service) LeadershipChanged(term protocol.Term, leading bool) {
	s.leadership.changed()
	s.machine.proposals.lost(term, leading, s.replica.Status().CommitIndex)
}

// ServeHTTP answers one request. A panic below ends the process.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			s.options.OnPanic(v, debug.Stack())
		}
	}()
	s.serve(w, r, func(w http.ResponseWriter, r *http.Request) error {
		found, ok := s.find(r.URL.Path)
		if !ok {
			return refuse(http.StatusNotFound, "not_found", "there is nothing at %s", r.URL.Path)
		}
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		handle, ok := found[method]
		if !ok {
			w.Header().Set("Allow", found.allow())
			return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "%s does not answer %s", r.URL.Path, r.Method)
		}
		return handle(w, r)
	})
}

// serve sets the headers of every answer, calls the handler and writes its refusal.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, handle handler) {
	status := s.replica.Status()
	setPosition(w, protocol.Position{Index: s.machine.Applied().Index, Term: status.Term})
	w.Header().Set("Raft-Leader", string(status.Leader))
	if err := handle(w, r); err != nil {
		writeRefusal(w, err)
	}
}

func (s *Service) find(path string) (route, bool) {
	if found, ok := s.routes[path]; ok {
		return found, true
	}
	for prefix, found := range s.subtrees {
		if strings.HasPrefix(path, prefix) {
			return found, true
		}
	}
	return nil, false
}

// counted counts and times a client's request.
func (s *Service) counted(op string, handle handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		began := time.Now()
		counting := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		answer := handle
		if s.stopping.Load() {
			answer = stoppingHandler
		}
		if err := answer(counting, r); err != nil {
			writeRefusal(counting, err)
		}
		s.metrics.observe(op, counting.status, time.Since(began))
		return nil
	}
}

func stoppingHandler(http.ResponseWriter, *http.Request) error { return stopping() }

func stopping() *refusal { return unavailable("stopping", "this node is stopping") }

func (r route) allow() string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if r[m] != nil {
			methods = append(methods, m)
		}
		if m == http.MethodGet && r[m] != nil {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(methods, ", ")
}

// plain makes a handler of one that always answers itself.
func plain(h http.Handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h.ServeHTTP(w, r)
		return nil
	}
}

func setPosition(w http.ResponseWriter, at protocol.Position) {
	w.Header().Set("Raft-Index", strconv.FormatUint(uint64(at.Index), 10))
	w.Header().Set("Raft-Term", strconv.FormatUint(uint64(at.Term), 10))
}

// statusRecorder remembers the status written.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
