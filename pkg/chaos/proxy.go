package chaos

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The protocols of a link.
const (
	ProtocolBytes      = ""
	ProtocolMsgpackRPC = "msgpack-rpc"
)

// Proxy is a link as the control API shows it: Toxiproxy's fields and, behind them, ours.
type Proxy struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`   // host:port; "" and port 0 are resolved at creation, no host is loopback
	Upstream string `json:"upstream"` // host:port; port 0 is "not known yet": connections are reset
	Enabled  bool   `json:"enabled"`
	Protocol string `json:"protocol,omitempty"` // ProtocolBytes or ProtocolMsgpackRPC
	Source   string `json:"source,omitempty"`   // the node that calls through the link
	Target   string `json:"target,omitempty"`   // the node behind Upstream

	Toxics []Toxic `json:"toxics"` // upstream's first, then downstream's, each in order of creation
}

// ProxyUpdate changes a link. Nil leaves a field as it is.
type ProxyUpdate struct {
	Listen   *string `json:"listen,omitempty"`
	Upstream *string `json:"upstream,omitempty"`
	Enabled  *bool   `json:"enabled,omitempty"`
}

const (
	loopback      = "127.0.0.1"
	defaultListen = loopback + ":0"
)

func (p Proxy) validate() error {
	if p.Name == "" {
		return ErrMissingField.more(": name")
	}
	if p.Upstream == "" {
		return ErrMissingField.more(": upstream")
	}
	if p.Protocol != ProtocolBytes && p.Protocol != ProtocolMsgpackRPC {
		return invalid("protocol %q of proxy %q: must be empty or %q", p.Protocol, p.Name, ProtocolMsgpackRPC)
	}
	return nil
}

// Create makes a link and, if it is enabled, lets it listen.
func (s *Server) Create(p Proxy) (Proxy, error) {
	if err := p.validate(); err != nil {
		return Proxy{}, err
	}
	addr, resolveErr := resolveListen(p.Listen)
	var shown Proxy
	err := s.change(func() error {
		if s.links[p.Name] != nil {
			return ErrProxyExists
		}
		if resolveErr != nil {
			return resolveErr
		}
		l, err := s.createLocked(p, addr)
		if err != nil {
			return err
		}
		shown = l.shownLocked()
		return nil
	})
	return shown, err
}

func (s *Server) createLocked(p Proxy, addr *net.TCPAddr) (*link, error) {
	socket, err := bindSocket(addr)
	if err != nil {
		return nil, err
	}
	l := newLink(s, p, socket)
	if p.Enabled {
		if err := l.startLocked(); err != nil {
			return nil, errors.Join(err, socket.close())
		}
	}
	l.metrics = s.metrics.addLink(p.Name, s.opts.Limits.MaxMethods)
	s.links[p.Name] = l
	s.log.Info("link created", "link", l.name, "listen", l.listen, "upstream", l.upstream)
	return l, nil
}

// resolveListen takes an address without a host for loopback: all interfaces have to be asked for by 0.0.0.0 or [::].
func resolveListen(listen string) (*net.TCPAddr, error) {
	if listen == "" {
		listen = defaultListen
	}
	if host, port, err := net.SplitHostPort(listen); err == nil && host == "" {
		listen = net.JoinHostPort(loopback, port)
	}
	addr, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen tcp %s: %w", listen, err)
	}
	return addr, nil
}

// Populate makes every link of proxies, in order. One that exists with the same listen address and upstream is left
// as it is, toxics included; one that differs is replaced. On an error those done so far stay and are returned.
func (s *Server) Populate(proxies []Proxy) ([]Proxy, error) {
	for i, p := range proxies {
		if err := p.validate(); err != nil {
			if e, ok := errors.AsType[*Error](err); ok && errors.Is(e, ErrMissingField) {
				return nil, e.more(" at proxy %d", i+1)
			}
			return nil, err
		}
	}
	var done []Proxy
	for _, p := range proxies {
		shown, err := s.populateOne(p)
		if err != nil {
			return done, fmt.Errorf("proxy %q: %w", p.Name, err)
		}
		done = append(done, shown)
	}
	return done, nil
}

func (s *Server) populateOne(p Proxy) (shown Proxy, err error) {
	addr, resolveErr := resolveListen(p.Listen)
	err = s.change(func() error {
		if resolveErr != nil {
			return resolveErr
		}
		if old := s.links[p.Name]; old != nil {
			same := old.upstream == p.Upstream && old.protocol == p.Protocol && old.source == p.Source && old.target == p.Target
			if same && old.listensAtLocked(p.Listen, addr) {
				shown = old.shownLocked()
				return nil
			}
			if err := s.deleteLocked(old); err != nil {
				return err
			}
		}
		l, err := s.createLocked(p, addr)
		if err != nil {
			return err
		}
		shown = l.shownLocked()
		return nil
	})
	return shown, err
}

// Update changes a link. Another upstream drops the connections and keeps the listener; another listen address drops
// both; disabling keeps the port bound.
func (s *Server) Update(name string, u ProxyUpdate) (Proxy, error) {
	var addr *net.TCPAddr
	var resolveErr error
	if u.Listen != nil {
		addr, resolveErr = resolveListen(*u.Listen)
	}
	var shown Proxy
	err := s.change(func() error {
		l, err := s.findLocked(name)
		if err != nil {
			return err
		}
		if resolveErr != nil {
			return resolveErr
		}
		err = l.updateLocked(u, addr)
		shown = l.shownLocked()
		return err
	})
	return shown, err
}

// SetUpstreams gives links new upstreams in one step. Links whose upstream is that already keep their connections.
func (s *Server) SetUpstreams(upstreams map[string]string) ([]Proxy, error) {
	var shown []Proxy
	err := s.change(func() error {
		for _, name := range slices.Sorted(maps.Keys(upstreams)) {
			if s.links[name] == nil {
				return ErrProxyNotFound.more(": %q", name)
			}
			if err := validateUpstream(name, upstreams[name]); err != nil {
				return err
			}
		}
		for name, addr := range upstreams {
			l := s.links[name]
			l.setUpstreamLocked(addr)
			shown = append(shown, l.shownLocked())
		}
		return nil
	})
	slices.SortFunc(shown, func(a, b Proxy) int { return strings.Compare(a.Name, b.Name) })
	return shown, err
}

func validateUpstream(link, addr string) error {
	if addr == "" {
		return ErrMissingField.more(": upstream of proxy %q", link)
	}
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || host == "" {
		return invalid("upstream %q of proxy %q: must be host:port with a port number, such as 127.0.0.1:7102, or 127.0.0.1:0 while it is not known", addr, link)
	}
	return nil
}

// Delete takes a link away, its connections too. It does not wait for them.
func (s *Server) Delete(name string) error {
	return s.change(func() error {
		l, err := s.findLocked(name)
		if err != nil {
			return err
		}
		return s.deleteLocked(l)
	})
}

func (s *Server) deleteLocked(l *link) error {
	delete(s.links, l.name)
	l.metrics.remove()
	s.log.Info("link deleted", "link", l.name)
	return l.socket.close()
}

// Get returns one link.
func (s *Server) Get(name string) (Proxy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.findLocked(name)
	if err != nil {
		return Proxy{}, err
	}
	return l.shownLocked(), nil
}

// List returns every link by name.
func (s *Server) List() map[string]Proxy {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Proxy, len(s.links))
	for name, l := range s.links {
		all[name] = l.shownLocked()
	}
	return all
}

// Reset enables every link, takes away all toxics and message faults, and heals all partitions, in one step.
func (s *Server) Reset() error {
	return s.change(func() error {
		clear(s.partitions)
		var errs []error
		for _, l := range s.links {
			l.toxics, l.faults = nil, nil
			errs = append(errs, l.setEnabledLocked(true))
		}
		return errors.Join(errs...)
	})
}

func (s *Server) findLocked(name string) (*link, error) {
	if l := s.links[name]; l != nil {
		return l, nil
	}
	return nil, ErrProxyNotFound
}

// statusOf is the HTTP status for err: its own, or 500 as for anything that the system refused.
func statusOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Text: err.Error(), Status: http.StatusInternalServerError}
}
