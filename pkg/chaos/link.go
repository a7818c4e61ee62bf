package chaos

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"whitewater/pkg/wire"
)

// link is one listener and one upstream.
type link struct {
	server                         *Server
	name, protocol, source, target string
	metrics                        *linkMetrics

	// Guarded by server.mu.
	socket   *socket
	listen   string // as asked for until the link first listens, then the real address
	upstream string
	enabled  bool
	epoch    uint64 // every connection belongs to one; a new one drops those that stand
	toxics   []*toxic
	faults   []*faultInForce
	watches  map[*Watch]*watchInForce

	mu       sync.Mutex // guards conns, accepted
	conns    map[*conn]struct{}
	accepted uint64
}

func newLink(s *Server, p Proxy, socket *socket) *link {
	l := &link{
		server:   s,
		name:     p.Name,
		protocol: p.Protocol,
		source:   p.Source,
		target:   p.Target,
		socket:   socket,
		listen:   p.Listen,
		upstream: p.Upstream,
		watches:  make(map[*Watch]*watchInForce),
		conns:    make(map[*conn]struct{}),
	}
	l.newEpochLocked()
	return l
}

func (l *link) newEpochLocked() {
	l.server.epoch++
	l.epoch = l.server.epoch
}

// shownLocked is the link as the control API shows it.
func (l *link) shownLocked() Proxy {
	p := Proxy{
		Name: l.name, Listen: l.listen, Upstream: l.upstream, Enabled: l.enabled,
		Protocol: l.protocol, Source: l.source, Target: l.target,
		Toxics: []Toxic{},
	}
	for _, d := range []direction{upstream, downstream} {
		for _, t := range l.toxics {
			if t.dir == d {
				p.Toxics = append(p.Toxics, t.shown())
			}
		}
	}
	return p
}

// startLocked lets the link listen.
func (l *link) startLocked() error {
	ln, err := l.socket.listen()
	if err != nil {
		return err
	}
	l.enabled, l.listen = true, l.socket.addr.String()
	l.newEpochLocked()
	l.server.wg.Go(func() { l.serve(ln) })
	return nil
}

func (l *link) setEnabledLocked(enabled bool) error {
	if enabled == l.enabled {
		return nil
	}
	if enabled {
		return l.startLocked()
	}
	l.enabled = false
	l.newEpochLocked()
	return l.socket.unlisten()
}

func (l *link) setUpstreamLocked(addr string) {
	if addr != l.upstream {
		l.upstream = addr
		l.newEpochLocked()
	}
}

func (l *link) updateLocked(u ProxyUpdate, addr *net.TCPAddr) error {
	if u.Listen != nil && !l.listensAtLocked(*u.Listen, addr) {
		if err := l.moveLocked(addr); err != nil {
			return err
		}
	}
	if u.Upstream != nil {
		if *u.Upstream == "" {
			return ErrMissingField.more(": upstream")
		}
		l.setUpstreamLocked(*u.Upstream)
	}
	if u.Enabled != nil {
		return l.setEnabledLocked(*u.Enabled)
	}
	return nil
}

// moveLocked gives the link another listen address. If that cannot be had, the old one stays.
func (l *link) moveLocked(addr *net.TCPAddr) error {
	socket, err := bindSocket(addr)
	if err != nil {
		return err
	}
	old, enabled := l.socket, l.enabled
	l.socket, l.listen, l.enabled = socket, socket.addr.String(), false
	l.newEpochLocked()
	err = old.close()
	if enabled {
		err = errors.Join(l.startLocked(), err)
	}
	return err
}

func (l *link) listensAtLocked(listen string, addr *net.TCPAddr) bool {
	return listen == l.listen || addr != nil && addr.String() == l.socket.addr.String()
}

// watchLocked returns what counts w on this link, the same each time.
func (l *link) watchLocked(w *Watch) *watchInForce {
	in := l.watches[w]
	if in == nil {
		kind := wire.Request
		if w.Kind == KindResponse {
			kind = wire.Response
		}
		in = &watchInForce{Watch: w, kind: kind, counter: l.metrics.watch(w.Name)}
		l.metrics.expect(w.Method)
		l.watches[w] = in
	}
	return in
}

// policy is what is in force now; nil once the link is deleted.
func (l *link) policy() *policy { return l.server.view.Load().policies[l] }

// serve accepts connections until ln is closed.
func (l *link) serve(ln *net.TCPListener) {
	for {
		client, err := ln.AcceptTCP()
		switch {
		case err == nil:
			l.accept(client)
		case isShortage(err):
			l.server.log.Warn("cannot accept", "link", l.name, "err", err)
			select {
			case <-l.server.ctx.Done():
			case <-time.After(20 * time.Millisecond): // until some descriptor is closed
			}
		case errors.Is(err, syscall.ECONNABORTED):
		default:
			return
		}
	}
}

func isShortage(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// accept starts a connection, or resets it if it may not be.
func (l *link) accept(client *net.TCPConn) {
	p := l.policy()
	if p == nil || !p.enabled || !p.known || p.effect.refuse || l.open() >= l.server.opts.Limits.MaxConnections {
		if p != nil && p.effect.refuse {
			l.metrics.matched[ModeRefuse].Inc()
		}
		l.metrics.refused.Inc()
		reset(client)
		return
	}
	l.metrics.accepted.Inc()
	c := l.register(client, p)
	c.start()
	c.check(l.policy()) // a change between the two looks at the policy has not seen this connection
}

func (l *link) register(client *net.TCPConn, p *policy) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepted++
	c := newConn(l, client, l.accepted, p)
	l.conns[c] = struct{}{}
	return c
}

func (l *link) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// open returns the number of connections.
func (l *link) open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// enforce makes every connection look at the current policy. It waits for none.
func (l *link) enforce() {
	l.mu.Lock()
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	p := l.policy()
	for _, c := range conns {
		c.check(p)
	}
}

// hasPort reports whether addr names a port other than 0, so that it can be dialled.
func hasPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return true // the dial says what is wrong with it
	}
	n, err := strconv.Atoi(port)
	return err != nil || n != 0
}

// sortedNames returns the links' names in order.
func sortedNames(links []*link) []string {
	names := make([]string, 0, len(links))
	for _, l := range links {
		names = append(names, l.name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
