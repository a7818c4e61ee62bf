package chaos

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/wire"
)

// The kinds of frames that a Watch or a Fault may name.
const (
	KindRequest  = "request"
	KindResponse = "response"
)

// Watch names a kind of frame to be counted, on every msgpack-rpc link, as it has been fully received from
// its sender and before any fault.
type Watch struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`            // KindRequest (default) or KindResponse
	Method string `json:"method"`          // "" = any; a response has its request's
	Empty  string `json:"empty,omitempty"` // a field of the body, a map, that must be there as an empty array or nil
}

type watchInForce struct {
	*Watch
	kind    wire.Kind
	counter prometheus.Counter
}

// matches looks into the body for the field and decodes nothing.
func (w *watchInForce) matches(f wire.Frame, method string) bool {
	if f.Kind != w.kind || w.Method != "" && w.Method != method {
		return false
	}
	if w.Empty == "" {
		return true
	}
	value, ok := wire.Field(f.Body, w.Empty)
	if !ok {
		return false
	}
	n, ok := wire.ArrayLen(value)
	return ok && n == 0
}

// kindOf is the frame kind that a Watch or a Fault names.
func kindOf(kind string) (wire.Kind, error) {
	switch kind {
	case KindRequest:
		return wire.Request, nil
	case KindResponse:
		return wire.Response, nil
	}
	return 0, invalid("kind %q: must be %q or %q", kind, KindRequest, KindResponse)
}

// AddWatch starts counting w on all links, also those to come.
func (s *Server) AddWatch(w Watch) (Watch, error) {
	if w.Kind == "" {
		w.Kind = KindRequest
	}
	if w.Name == "" {
		return Watch{}, ErrMissingField.more(": name")
	}
	if _, err := kindOf(w.Kind); err != nil {
		return Watch{}, err
	}
	return w, s.change(func() error {
		if s.watchLocked(w.Name) >= 0 {
			return ErrWatchExists
		}
		s.watches = append(s.watches, &w)
		return nil
	})
}

// Watches returns them in order of creation.
func (s *Server) Watches() []Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Watch, 0, len(s.watches))
	for _, w := range s.watches {
		all = append(all, *w)
	}
	return all
}

// RemoveWatch ends the counting; the series go.
func (s *Server) RemoveWatch(name string) error {
	return s.change(func() error {
		i := s.watchLocked(name)
		if i < 0 {
			return ErrWatchNotFound
		}
		for _, l := range s.links {
			delete(l.watches, s.watches[i])
		}
		s.watches = slices.Delete(slices.Clone(s.watches), i, i+1)
		s.metrics.watched.DeletePartialMatch(prometheus.Labels{"watch": name})
		return nil
	})
}

func (s *Server) watchLocked(name string) int {
	return slices.IndexFunc(s.watches, func(w *Watch) bool { return w.Name == name })
}
