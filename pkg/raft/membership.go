package raft

import (
	"cmp"
	"context"
	"errors"
	"time"

	"whitewater/pkg/raft/protocol"
)

// ChangeMembers changes the members of the cluster, on its leader, and returns when the change is over: when the
// configuration that it led to is committed. Errors: ErrNotLeader, ErrTransferring, ErrChanging, ErrChange, in each case
// nothing was appended; ErrCanceled when another call took the change back, ErrLeadershipLost, ErrStopped; the context's,
// and then the change goes on.
func (r *Replica) ChangeMembers(ctx context.Context, change protocol.Change) error {
	result := make(chan protocol.ChangeResult, 1)
	var refusal error
	err := r.step(func(now time.Time) protocol.Output {
		before := r.change
		r.change = nil
		var out protocol.Output
		if out, refusal = r.node.Change(now, change); refusal != nil {
			r.change = before
			return out
		}
		if out.Change != nil && before != nil { // the one that this change takes back
			before <- *out.Change
			out.Change = nil
		}
		r.change = result
		return out
	})
	if err = cmp.Or(err, refusal); err != nil {
		return err
	}
	select {
	case ended := <-result:
		if errors.Is(ended.Err, protocol.ErrNotLeader) {
			return ErrLeadershipLost
		}
		return ended.Err
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ctx.Done():
		return ErrStopped
	}
}

// configureLocked lets the replica follow a configuration: each peer has a replicator, which ends by itself when the peer
// is to be forgotten.
func (r *Replica) configureLocked(c protocol.Configuration) {
	for _, id := range c.IDs() {
		if id != r.opts.ID {
			r.peerLocked(id)
		}
	}
	r.wakeReplicators()
	if r.opts.Configured != nil {
		r.opts.Configured(c)
	}
}

// peerLocked is the peer of an id, with its replicator running. A node that has yet to learn of the members knows none,
// and may all the same have something to ask of one.
func (r *Replica) peerLocked(id protocol.NodeID) *peer {
	p := r.peers[id]
	if p == nil {
		p = newPeer(id)
		r.peers[id] = p
		r.wg.Go(func() { r.runReplicator(p) })
	}
	return p
}
