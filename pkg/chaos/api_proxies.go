package chaos

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// The handlers of Toxiproxy's own paths.

// getVersion answers as Toxiproxy does, space and newline included, with ours in a second field.
func (s *Server) getVersion(*http.Request) (answer, error) {
	text := fmt.Sprintf("{\"version\": %q, \"chaosproxy\": %q}\n", toxiproxyVersion, s.opts.Version)
	return answer{http.StatusOK, verbatim{"application/json;charset=utf-8", text}}, nil
}

// version is that answer, to a client.
type version struct {
	Version    string `json:"version"`
	Chaosproxy string `json:"chaosproxy"`
}

func (s *Server) getProxies(*http.Request) (answer, error) {
	return answer{http.StatusOK, s.List()}, nil
}

func (s *Server) postProxies(r *http.Request) (answer, error) {
	p := Proxy{Enabled: true}
	if err := readBody(r, &p, false); err != nil {
		return answer{}, err
	}
	created, err := s.Create(p)
	return answer{http.StatusCreated, created}, err
}

func (s *Server) getProxy(r *http.Request) (answer, error) {
	p, err := s.Get(r.PathValue("proxy"))
	return answer{http.StatusOK, p}, err
}

func (s *Server) patchProxy(r *http.Request) (answer, error) {
	if _, err := s.Get(r.PathValue("proxy")); err != nil {
		return answer{}, err
	}
	var u ProxyUpdate
	if err := readBody(r, &u, false); err != nil {
		return answer{}, err
	}
	p, err := s.Update(r.PathValue("proxy"), u)
	return answer{http.StatusOK, p}, err
}

func (s *Server) deleteProxy(r *http.Request) (answer, error) {
	return answer{status: http.StatusNoContent}, s.Delete(r.PathValue("proxy"))
}

// populated is the answer to a populate: all links, or an error and the links done so far.
type populated struct {
	Error   string  `json:"error,omitempty"`
	Status  int     `json:"status,omitempty"`
	Proxies []Proxy `json:"proxies"`
}

func (s *Server) postPopulate(r *http.Request) (answer, error) {
	var proxies proxyList
	var done []Proxy
	err := readBody(r, &proxies, false)
	if err == nil {
		done, err = s.Populate(proxies)
	}
	if err != nil {
		e := statusOf(err)
		return answer{e.Status, populated{Error: e.Text, Status: e.Status, Proxies: done}}, nil
	}
	return answer{http.StatusCreated, populated{Proxies: done}}, nil
}

// proxyList is an array of links as /populate and a config file have it: enabled unless they say otherwise.
type proxyList []Proxy

// UnmarshalJSON implements json.Unmarshaler.
func (l *proxyList) UnmarshalJSON(text []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	for _, one := range raw {
		p := Proxy{Enabled: true}
		if err := json.Unmarshal(one, &p); err != nil {
			return err
		}
		*l = append(*l, p)
	}
	return nil
}

// ReadConfig reads what a config file holds: the array that /populate takes.
func ReadConfig(text []byte) ([]Proxy, error) {
	var list proxyList
	err := json.Unmarshal(text, &list)
	return list, err
}

func (s *Server) postReset(*http.Request) (answer, error) {
	return answer{status: http.StatusNoContent}, s.Reset()
}

func (s *Server) getToxics(r *http.Request) (answer, error) {
	toxics, err := s.Toxics(r.PathValue("proxy"))
	return answer{http.StatusOK, toxics}, err
}

func (s *Server) postToxics(r *http.Request) (answer, error) {
	if _, err := s.Get(r.PathValue("proxy")); err != nil {
		return answer{}, err
	}
	t := Toxic{Toxicity: 1}
	if err := readBody(r, &t, false); err != nil {
		return answer{}, err
	}
	added, err := s.AddToxic(r.PathValue("proxy"), t)
	return answer{http.StatusOK, added}, err
}

func (s *Server) getToxic(r *http.Request) (answer, error) {
	t, err := s.GetToxic(r.PathValue("proxy"), r.PathValue("toxic"))
	return answer{http.StatusOK, t}, err
}

func (s *Server) patchToxic(r *http.Request) (answer, error) {
	if _, err := s.GetToxic(r.PathValue("proxy"), r.PathValue("toxic")); err != nil {
		return answer{}, err
	}
	var u ToxicUpdate
	if err := readBody(r, &u, false); err != nil {
		return answer{}, err
	}
	t, err := s.UpdateToxic(r.PathValue("proxy"), r.PathValue("toxic"), u)
	return answer{http.StatusOK, t}, err
}

func (s *Server) deleteToxic(r *http.Request) (answer, error) {
	return answer{status: http.StatusNoContent}, s.RemoveToxic(r.PathValue("proxy"), r.PathValue("toxic"))
}
