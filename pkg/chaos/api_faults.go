package chaos

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// The handlers of our own paths. Unknown fields are refused.

// faultsRequest is the body of POST /faults.
type faultsRequest struct {
	Targets
	Fault faultBody `json:"fault"`
}

// faultBody is a Fault as it is sent: with probability 1 unless it says otherwise.
type faultBody Fault

// UnmarshalJSON implements json.Unmarshaler.
func (f *faultBody) UnmarshalJSON(text []byte) error {
	type plain Fault
	p := plain{Probability: 1}
	err := unmarshalStrict(text, &p)
	*f = faultBody(p)
	return err
}

// faultAnswer names a fault and the links that it was added to.
type faultAnswer struct {
	Fault Fault    `json:"fault"`
	Links []string `json:"links"`
}

type linksAnswer struct {
	Links []string `json:"links"`
}

func (s *Server) getLinkFaults(r *http.Request) (answer, error) {
	faults, err := s.linkFaults(r.PathValue("proxy"))
	return answer{http.StatusOK, faults}, err
}

func (s *Server) linkFaults(link string) ([]Fault, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.findLocked(link)
	if err != nil {
		return nil, err
	}
	return l.shownFaultsLocked(), nil
}

func (s *Server) getLinkFault(r *http.Request) (answer, error) {
	faults, err := s.linkFaults(r.PathValue("proxy"))
	if err != nil {
		return answer{}, err
	}
	for _, f := range faults {
		if f.Name == r.PathValue("fault") {
			return answer{http.StatusOK, f}, nil
		}
	}
	return answer{}, ErrFaultNotFound
}

func (s *Server) postLinkFaults(r *http.Request) (answer, error) {
	link := r.PathValue("proxy")
	if _, err := s.Get(link); err != nil {
		return answer{}, err
	}
	var f faultBody
	if err := readBody(r, &f, true); err != nil {
		return answer{}, err
	}
	added, _, err := s.AddFaults(Targets{Links: []string{link}}, Fault(f))
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, added[0]}, nil
}

func (s *Server) deleteLinkFault(r *http.Request) (answer, error) {
	_, err := s.RemoveFaults(r.PathValue("proxy"), r.PathValue("fault"))
	return answer{status: http.StatusNoContent}, err
}

func (s *Server) getFaults(*http.Request) (answer, error) {
	return answer{http.StatusOK, s.Faults()}, nil
}

func (s *Server) postFaults(r *http.Request) (answer, error) {
	var body faultsRequest
	if err := readBody(r, &body, true); err != nil {
		return answer{}, err
	}
	added, links, err := s.AddFaults(body.Targets, Fault(body.Fault))
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, faultAnswer{added[0], links}}, nil
}

func (s *Server) deleteFault(r *http.Request) (answer, error) {
	links, err := s.RemoveFaults("", r.PathValue("fault"))
	return answer{http.StatusOK, linksAnswer{links}}, err
}

func (s *Server) getPresets(*http.Request) (answer, error) {
	return answer{http.StatusOK, s.Presets()}, nil
}

func (s *Server) postPreset(r *http.Request) (answer, error) {
	var on Targets
	if err := readBody(r, &on, true); err != nil {
		return answer{}, err
	}
	p, err := s.AddPreset(r.PathValue("preset"), on)
	return answer{http.StatusOK, p}, err
}

func (s *Server) deletePreset(r *http.Request) (answer, error) {
	p, err := s.RemovePreset(r.PathValue("preset"))
	return answer{http.StatusOK, p}, err
}

func (s *Server) getPartitions(*http.Request) (answer, error) {
	return answer{http.StatusOK, s.Partitions()}, nil
}

func (s *Server) postPartitions(r *http.Request) (answer, error) {
	var p Partition
	if err := readBody(r, &p, true); err != nil {
		return answer{}, err
	}
	made, err := s.Partition(p)
	return answer{http.StatusOK, made}, err
}

func (s *Server) deletePartition(r *http.Request) (answer, error) {
	p, err := s.Heal(r.PathValue("partition"))
	return answer{http.StatusOK, p}, err
}

func (s *Server) deletePartitions(*http.Request) (answer, error) {
	all, err := s.HealAll()
	return answer{http.StatusOK, all}, err
}

func (s *Server) getWatches(*http.Request) (answer, error) {
	return answer{http.StatusOK, s.Watches()}, nil
}

func (s *Server) postWatches(r *http.Request) (answer, error) {
	var w Watch
	if err := readBody(r, &w, true); err != nil {
		return answer{}, err
	}
	made, err := s.AddWatch(w)
	return answer{http.StatusCreated, made}, err
}

func (s *Server) deleteWatch(r *http.Request) (answer, error) {
	return answer{status: http.StatusNoContent}, s.RemoveWatch(r.PathValue("watch"))
}

// upstreamsRequest is the body of POST /upstreams.
type upstreamsRequest struct {
	Upstreams map[string]string `json:"upstreams"`
}

type upstreamsAnswer struct {
	Proxies []Proxy `json:"proxies"`
}

func (s *Server) postUpstreams(r *http.Request) (answer, error) {
	var body upstreamsRequest
	if err := readBody(r, &body, true); err != nil {
		return answer{}, err
	}
	if len(body.Upstreams) == 0 {
		return answer{}, ErrMissingField.more(": upstreams")
	}
	changed, err := s.SetUpstreams(body.Upstreams)
	return answer{http.StatusOK, upstreamsAnswer{changed}}, err
}

// unmarshalStrict refuses unknown fields, as a type's own UnmarshalJSON does not inherit that.
func unmarshalStrict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
