package raft

import (
	"fmt"
	"time"

	"whitewater/pkg/raft/protocol"
)

// runElectionTimer is the election timer (lab notes 6, 10): it starts anew on a heartbeat and on a change of
// leadership, and campaigns, or makes a leader look for its quorum, when it runs out.
func (r *Replica) runElectionTimer() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		r.mu.Lock()
		deadline := r.node.Deadline()
		r.mu.Unlock()
		timer.Reset(time.Until(deadline))
		select {
		case <-r.heartbeat:
		case <-r.leading:
		case <-timer.C:
			r.count(func(s *stats) { s.late("election", time.Since(deadline)) })
			_ = r.step(func(now time.Time) protocol.Output { return r.node.Tick(now) })
		case <-r.ctx.Done():
			return
		}
	}
}

// runDiskWriter saves what has gathered while the last save was under way: group commit.
func (r *Replica) runDiskWriter() {
	for {
		select {
		case <-r.diskWork:
			r.save()
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Replica) save() {
	r.mu.Lock()
	batches := r.unsaved
	r.unsaved = nil
	r.mu.Unlock()
	if len(batches) == 0 {
		return
	}
	began := time.Now()
	if err := r.opts.Storage.Persist(batches...); err != nil {
		r.fail(fmt.Errorf("persist: %w", err))
		return
	}
	number := batches[len(batches)-1].Number
	_ = r.step(func(now time.Time) protocol.Output {
		r.stats.busy["disk"] += now.Sub(began)
		out := r.node.Persisted(now, number)
		// What the batch made durable is told before what rests on it leaves.
		for _, e := range out.Events {
			r.observe(now, e)
		}
		out.Events = nil
		r.release(number)
		if len(r.chunks) > 0 {
			r.chunkWork.raise()
		}
		return out
	})
}

// runReplicator owns what is sent to one peer, when, and in which order. It never waits for an answer.
func (r *Replica) runReplicator(p *peer) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, sends, member := r.replicate(p)
		switch {
		case !member:
			p.leave()
			return
		case !sends:
			p.closeSnapshot()
		}
		var fire <-chan time.Time
		if !due.IsZero() {
			timer.Reset(time.Until(due))
			fire = timer.C
		}
		select {
		case <-p.work:
		case <-fire:
			r.count(func(s *stats) { s.late("heartbeat", time.Since(due)) })
		case <-r.ctx.Done():
			return
		}
	}
}

// replicate sends what is to be sent now. It returns when to look again (zero: only when there is work), whether a
// snapshot is on its way, and whether the peer is still to be served: if not, it is forgotten.
func (r *Replica) replicate(p *peer) (due time.Time, sends, member bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.absorb(now, r.node.Replicate(now, p.id))
	r.stats.busy["replicate"] += time.Since(now)
	if member = r.node.Tracks(p.id); !member {
		delete(r.peers, p.id)
		r.stats.forget(p.id)
	}
	return r.node.ReplicateDeadline(p.id), r.node.SendsSnapshot(p.id), member
}

// runApplier hands committed entries to the state machine, in batches and outside the mutex.
func (r *Replica) runApplier() {
	for {
		select {
		case <-r.applyWork:
			if err := r.apply(); err != nil {
				r.fail(err)
				return
			}
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *Replica) apply() error {
	for r.ctx.Err() == nil {
		next := r.nextApply()
		if next.restore.IsZero() && len(next.entries) == 0 {
			return r.takeWanted()
		}
		if err := r.awaitEvent(next.event); err != nil {
			return err
		}
		if !next.restore.IsZero() {
			if err := r.restore(next.restore); err != nil {
				return err
			}
			continue
		}
		if err := r.execute(next.entries); err != nil {
			return err
		}
	}
	return nil
}

// work is what the applier does next: restore a snapshot, or execute entries.
type work struct {
	restore protocol.SnapshotMeta
	entries []protocol.Entry
	event   uint64 // that tells of it
}

// nextApply takes what is next and records that it is about to be applied.
func (r *Replica) nextApply() work {
	r.mu.Lock()
	defer r.mu.Unlock()
	restore, entries := r.node.Committed(applyBatch)
	r.handed = max(r.handed, restore.Index)
	if len(entries) > 0 {
		r.handed = entries[len(entries)-1].Index
		r.eventPos = r.opts.Events.Record(applyEvent(r.node.Term(), entries))
	}
	return work{restore, entries, r.eventPos}
}

func (r *Replica) execute(entries []protocol.Entry) error {
	began := time.Now()
	if err := r.opts.StateMachine.Apply(r.ctx, entries); err != nil {
		return fmt.Errorf("apply entries %d to %d: %w", entries[0].Index, entries[len(entries)-1].Index, err)
	}
	last := entries[len(entries)-1].Index
	r.mu.Lock()
	r.stats.busy["apply"] += time.Since(began)
	r.stats.applied(entries, time.Now())
	r.node.Applied(last)
	at, due := r.snapshotDueLocked(last)
	r.mu.Unlock()
	if !due {
		return nil
	}
	return r.takeSnapshot(at)
}
