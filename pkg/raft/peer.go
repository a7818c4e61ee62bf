package raft

import (
	"context"
	"sync"
	"time"

	"whitewater/pkg/raft/protocol"
)

// peer is another member, and the order in which requests leave for it.
type peer struct {
	id   protocol.NodeID
	work signal
	sent <-chan struct{} // closed when the request before has left, or never will; guarded by Replica.mu

	snapshotMu   sync.Mutex // guards what follows; held while a chunk is read
	snapshot     SnapshotReader
	snapshotMeta protocol.SnapshotMeta
	left         bool // the peer is forgotten
}

func newPeer(id protocol.NodeID) *peer {
	left := make(chan struct{})
	close(left)
	return &peer{id: id, work: newSignal(), sent: left}
}

// Pending is a peer's request that has been taken in and waits for its reply.
type Pending struct {
	r      *Replica
	ticket uint64
	reply  chan answer
}

// answer is a reply and the event that it rests on.
type answer struct {
	body  protocol.Body
	event uint64
}

// Receive takes in a peer's request; it waits for nothing. Requests of one peer must be received in the order in
// which they were sent. The reply comes from Wait.
func (r *Replica) Receive(from protocol.NodeID, request protocol.Body) *Pending {
	p := &Pending{r: r, reply: make(chan answer, 1)}
	_ = r.step(func(now time.Time) protocol.Output { // a stopped replica makes Wait fail
		r.tickets++
		p.ticket = r.tickets
		r.pending[p.ticket] = p
		r.stats.received(request)
		return r.node.Receive(now, protocol.Message{From: from, To: r.opts.ID, Ticket: p.ticket, Body: request})
	})
	return p
}

// Wait returns the reply once all that it acknowledges is durable. Errors: ErrStopped, the context's.
func (p *Pending) Wait(ctx context.Context) (protocol.Body, error) {
	select {
	case a := <-p.reply:
		if err := p.r.awaitEvent(a.event); err != nil {
			return nil, err
		}
		return a.body, nil
	case <-p.r.ctx.Done():
		return nil, ErrStopped
	case <-ctx.Done():
		p.r.mu.Lock()
		defer p.r.mu.Unlock()
		delete(p.r.pending, p.ticket)
		return nil, ctx.Err()
	}
}

// ConnectionLost tells that the connection over which from sends its requests has ended: a leader that crashed
// closes its sockets at once.
func (r *Replica) ConnectionLost(from protocol.NodeID) {
	_ = r.step(func(now time.Time) protocol.Output { return r.node.ConnectionLost(now, from) })
}

// awaitEvent returns when the sink holds the event at position and all before it.
func (r *Replica) awaitEvent(position uint64) error {
	if err := r.opts.Events.Await(r.ctx, position); err != nil {
		r.fail(err)
		return ErrStopped
	}
	return nil
}

// dispatch sends a message on its way without waiting for it: a reply to who waits for it, a request in a
// goroutine of its own, behind the requests to the same peer that came before.
func (r *Replica) dispatch(m protocol.Message) {
	if isReply(m.Body) {
		r.stats.replying(m.Body)
		if waiting, ok := r.pending[m.Ticket]; ok {
			delete(r.pending, m.Ticket)
			waiting.reply <- answer{m.Body, r.eventPos}
		}
		return
	}
	to := r.peerLocked(m.To)
	r.stats.sending(m)
	c := &call{r: r, to: to, message: m, event: r.eventPos, turn: to.sent, left: make(chan struct{})}
	to.sent = c.left
	r.wg.Go(c.run)
}

func isReply(body protocol.Body) bool {
	switch body.(type) {
	case protocol.AppendEntriesReply, protocol.RequestVoteReply, protocol.ConfirmLeaderReply, protocol.ReadIndexReply,
		protocol.InstallSnapshotReply, protocol.TimeoutNowReply:
		return true
	}
	return false
}

// call is one request on its way to a peer.
type call struct {
	r       *Replica
	to      *peer
	message protocol.Message
	event   uint64
	turn    <-chan struct{} // closed when the request before has left
	left    chan struct{}   // closed when this one has, or never will
	once    sync.Once       // closes left
}

// run makes the call and tells the protocol how it ended.
func (c *call) run() {
	r, m := c.r, c.message
	ctx, cancel := context.WithTimeout(r.ctx, c.timeout())
	defer cancel()
	defer c.leave()
	reply, err := c.make(ctx)
	_ = r.step(func(now time.Time) protocol.Output {
		if r.peers[m.To] == c.to { // else nothing counts for it any more
			r.stats.replied(m, reply, err)
		}
		if err != nil {
			return r.node.Failed(now, m.To, m.Ticket)
		}
		return r.node.Receive(now, protocol.Message{From: m.To, To: m.From, Ticket: m.Ticket, Body: reply})
	}) // a replica that has stopped needs no news
}

func (c *call) make(ctx context.Context) (protocol.Body, error) {
	if err := c.r.awaitEvent(c.event); err != nil {
		return nil, err
	}
	select {
	case <-c.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	body := c.message.Body
	if request, ok := body.(protocol.InstallSnapshotRequest); ok {
		filled, err := c.r.chunk(c.to, request)
		if err != nil {
			return nil, err
		}
		c.r.count(func(s *stats) { s.snapshotBytes["sent"] += uint64(len(filled.Data)) })
		body = filled
	}
	return c.r.opts.Transport.Call(ctx, c.message.To, body, c.written)
}

// written notes that the request has left: the next one may, and a heartbeat counts from now.
func (c *call) written() {
	if isHeartbeat(c.message.Body) {
		c.r.mu.Lock()
		now := time.Now()
		c.r.node.HeartbeatWritten(now, c.message.To, c.message.Ticket)
		c.r.stats.heartbeatSent(c.message.To, now)
		c.r.mu.Unlock()
		c.to.work.raise()
	}
	c.leave()
}

func (c *call) leave() {
	c.once.Do(func() { close(c.left) })
}

// timeout is the deadline of a call: the time-out plus what its size takes.
func (c *call) timeout() time.Duration {
	size := 0
	switch request := c.message.Body.(type) {
	case protocol.AppendEntriesRequest:
		size = protocol.DataBytes(request.Entries)
	case protocol.InstallSnapshotRequest:
		size = c.r.opts.SnapshotChunkBytes
	}
	return c.r.opts.RPCTimeout + time.Duration(size)*time.Second/bandwidth
}

func isHeartbeat(body protocol.Body) bool {
	request, ok := body.(protocol.AppendEntriesRequest)
	return ok && len(request.Entries) == 0
}
