package chaos

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// toxiproxyVersion is the version of Toxiproxy whose API this is.
const toxiproxyVersion = "2.12.0"

// answer is what a handler has to say: a status, and a body that is nil for none.
type answer struct {
	status int
	body   any
}

// verbatim is a body that is not encoded.
type verbatim struct{ contentType, text string }

// handler answers one request. An error becomes an error body.
type handler func(r *http.Request) (answer, error)

// Handler is the control API, to be mounted in a server of one's own.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range s.routes() {
		mux.Handle(path, s.route(methods))
	}
	mux.Handle("/metrics", s.metricsRoute())
	mux.HandleFunc("/", http.NotFound)
	return s.guard(mux)
}

func (s *Server) routes() map[string]map[string]handler {
	type methods = map[string]handler
	const get, post, patch, del = http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete
	return map[string]methods{
		"/version":                        {get: s.getVersion},
		"/proxies":                        {get: s.getProxies, post: s.postProxies},
		"/populate":                       {post: s.postPopulate},
		"/reset":                          {post: s.postReset},
		"/proxies/{proxy}":                {get: s.getProxy, post: s.patchProxy, patch: s.patchProxy, del: s.deleteProxy},
		"/proxies/{proxy}/toxics":         {get: s.getToxics, post: s.postToxics},
		"/proxies/{proxy}/toxics/{toxic}": {get: s.getToxic, post: s.patchToxic, patch: s.patchToxic, del: s.deleteToxic},
		"/proxies/{proxy}/faults":         {get: s.getLinkFaults, post: s.postLinkFaults},
		"/proxies/{proxy}/faults/{fault}": {get: s.getLinkFault, del: s.deleteLinkFault},
		"/faults":                         {get: s.getFaults, post: s.postFaults},
		"/faults/{fault}":                 {del: s.deleteFault},
		"/presets":                        {get: s.getPresets},
		"/presets/{preset}":               {post: s.postPreset, del: s.deletePreset},
		"/partitions":                     {get: s.getPartitions, post: s.postPartitions, del: s.deletePartitions},
		"/partitions/{partition}":         {del: s.deletePartition},
		"/watches":                        {get: s.getWatches, post: s.postWatches},
		"/watches/{watch}":                {del: s.deleteWatch},
		"/upstreams":                      {post: s.postUpstreams},
	}
}

// route answers one path: the method's handler, or 405 with an empty body.
func (s *Server) route(methods map[string]handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handle, ok := methods[r.Method]
		if !ok {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Toxiproxy-Request-Id", rand.Text())
		a, err := handle(r)
		if err != nil {
			s.fail(w, err)
			return
		}
		s.respond(w, a)
	})
}

func (s *Server) respond(w http.ResponseWriter, a answer) {
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	if t, ok := a.body.(verbatim); ok {
		w.Header().Set("Content-Type", t.contentType)
		w.WriteHeader(a.status)
		s.write(w, []byte(t.text))
		return
	}
	text, err := encode(a.body)
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	s.write(w, text)
}

// encode is JSON with "->" left readable in names and no newline behind it.
func encode(body any) ([]byte, error) {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(body)
	return []byte(strings.TrimSuffix(text.String(), "\n")), err
}

// fail writes err as Toxiproxy does, type text/plain included.
func (s *Server) fail(w http.ResponseWriter, err error) {
	e := statusOf(err)
	text, err := encode(e)
	if err != nil {
		text = []byte(e.Text)
	}
	http.Error(w, string(text), e.Status)
}

// write has nobody to tell about a client that went away.
func (s *Server) write(w http.ResponseWriter, text []byte) {
	if _, err := w.Write(text); err != nil {
		s.log.Debug("control API: write", "err", err)
	}
}

// guard keeps browsers out, whatever page they show, bounds bodies and counts.
func (s *Server) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		defer func() { s.metrics.apiRequests.WithLabelValues(fmt.Sprintf("%dxx", max(2, counted.status/100))).Inc() }()
		switch {
		case strings.HasPrefix(r.UserAgent(), "Mozilla/"):
			http.Error(counted, "User agent not allowed", http.StatusForbidden)
		case crossOrigin.Check(r) != nil:
			http.Error(counted, "cross-origin request not allowed", http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(counted, r.Body, int64(s.opts.Limits.MaxBodyBytes))
			next.ServeHTTP(counted, r)
		}
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// readBody reads the first JSON value of the body into v. Toxiproxy's own objects may have unknown fields, ours may not.
func readBody(r *http.Request, v any, strict bool) error {
	d := json.NewDecoder(r.Body)
	if strict {
		d.DisallowUnknownFields()
	}
	err := d.Decode(v)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Error{Text: fmt.Sprintf("request body over %d bytes", tooLarge.Limit), Status: http.StatusRequestEntityTooLarge}
	}
	if err != nil {
		return ErrBadBody.more(": %v", err)
	}
	return nil
}

// metricsRoute is /metrics, with promhttp's filter ?name[]=.
func (s *Server) metricsRoute() http.Handler {
	h := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("X-Toxiproxy-Request-Id", rand.Text())
		h.ServeHTTP(w, r)
	})
}
