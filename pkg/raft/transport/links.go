package transport

import (
	"errors"
	"maps"
	"sync"
	"time"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// link is the way to one peer at one address.
type link struct {
	address string
	control *wire.Client // everything small, in order
	bulk    *wire.Client // snapshots, which must not hold the rest up
	calls   sync.WaitGroup
	departs *time.Timer // runs when nobody names the peer any more; guarded by Transport.mu

	mu      sync.Mutex // guards dropped
	dropped bool       // another link may be the peer's now: this one's state is not the one to show
}

func (t *Transport) newLink(id protocol.NodeID, address string) *link {
	l := &link{address: address}
	metrics := t.opts.Metrics.client(id)
	if show := metrics.State; show != nil {
		metrics.State = func(now wire.ConnState) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if !l.dropped {
				show(now)
			}
		}
	}
	l.control = t.newClient(id, address, metrics)
	metrics.State = nil // the control connection's is the one to show
	l.bulk = t.newClient(id, address, metrics)
	return l
}

// close ends every call over the link and waits for what it started.
func (l *link) close() error {
	err := errors.Join(l.control.Close(), l.bulk.Close())
	l.calls.Wait()
	return err
}

// SetMembers tells the addresses that the members advertise, in the place of those told before; an empty one is not
// known. A peer that Options.Peers names is dialled there all the same. Calls over connections to an address that a peer no
// longer has end with wire.ErrClientClosed; a peer that nobody names any more can be called for Options.Linger, so that
// it learns that it was removed. SetMembers waits for nothing.
func (t *Transport) SetMembers(addresses map[protocol.NodeID]string) {
	wanted := make(map[protocol.NodeID]string, len(addresses)+len(t.opts.Peers))
	maps.Copy(wanted, addresses)
	maps.Copy(wanted, t.opts.Peers)
	delete(wanted, t.opts.ID)
	maps.DeleteFunc(wanted, func(_ protocol.NodeID, address string) bool { return address == "" })
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	for id, l := range t.links {
		t.keepLocked(id, l, wanted[id])
	}
	for id, address := range wanted {
		if t.links[id] == nil {
			t.links[id] = t.newLink(id, address)
		}
	}
}

// keepLocked keeps a link, for a while or for good, if its peer is nowhere else.
func (t *Transport) keepLocked(id protocol.NodeID, l *link, address string) {
	if l.departs != nil && address != "" {
		l.departs.Stop()
		l.departs = nil
	}
	switch {
	case address == l.address:
	case address != "":
		t.dropLocked(id, l)
	case l.departs == nil:
		l.departs = time.AfterFunc(t.opts.Linger, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			if !t.closed && l.departs != nil && t.links[id] == l {
				t.dropLocked(id, l)
			}
		})
	}
}

// dropLocked closes a link beside whatever else happens.
func (t *Transport) dropLocked(id protocol.NodeID, l *link) {
	delete(t.links, id)
	delete(t.mistakes, id)
	l.mu.Lock()
	l.dropped = true
	l.mu.Unlock()
	t.dropping.Go(func() {
		if err := l.close(); err != nil {
			t.opts.Logger.Warn("closing the connections to a former address", "peer", string(id), "err", err)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.links[id] == nil {
			t.opts.Metrics.removePeer(id) // nothing counts for it any more
		}
	})
}

// begin finds the link to a peer for one call, at whose end calls.Done must be called.
func (t *Transport) begin(to protocol.NodeID) (*link, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.links[to]
	switch {
	case t.closed:
		return nil, wire.ErrClientClosed
	case !ok:
		return nil, ErrNoAddress
	}
	l.calls.Add(1)
	return l, nil
}
