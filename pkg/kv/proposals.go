package kv

import (
	"context"
	"sync"

	"whitewater/pkg/raft/protocol"
)

// proposal is an accepted command whose entry has not been applied yet. Its result and err are written
// before done is closed, and read after.
type proposal struct {
	at      protocol.Position
	session uint64
	done    chan struct{}
	result  Result
	err     error // errLost, errCovered, or nil
}

// proposals are those of this node, until each is applied or lost. Their number is bounded by what
// the replica accepts.
type proposals struct {
	mutation protocol.Mutation
	mu       sync.Mutex // guards waiting and inFlight; held while proposing
	waiting  map[protocol.Index]*proposal
	inFlight map[uint64]*proposal // by session: one at a time
	memory   memory
}

func newProposals() proposals {
	return proposals{waiting: map[protocol.Index]*proposal{}, inFlight: map[uint64]*proposal{}}
}

// propose hands the command to the replica, once no other write of the session is in flight; it waits
// for that until the context ends, which gives errInFlight.
func (p *proposals) propose(ctx context.Context, replica Replica, session uint64, command []byte) (*proposal, error) {
	for {
		made, earlier, err := p.try(replica, session, command)
		if earlier == nil {
			return made, err
		}
		select {
		case <-earlier.done:
		case <-ctx.Done():
			return nil, errInFlight
		}
	}
}

// try proposes, or returns the session's earlier write that is in flight. The lock spans the proposing,
// so that the entry cannot be applied before it is awaited.
func (p *proposals) try(replica Replica, session uint64, command []byte) (made, earlier *proposal, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if session != 0 && p.inFlight[session] != nil {
		return nil, p.inFlight[session], nil
	}
	if p.mutation.Is("dedup-in-leader") {
		if known := p.memory.recall(command); known != nil {
			return known, nil, nil
		}
	}
	at, err := replica.Propose(command)
	if err != nil {
		return nil, nil, err
	}
	if old := p.waiting[at.Index]; old != nil { // overwritten since
		p.resolveLocked(old, Result{}, errLost)
	}
	made = &proposal{at: at, session: session, done: make(chan struct{})}
	p.waiting[at.Index] = made
	if session != 0 {
		p.inFlight[session] = made
	}
	if p.mutation.Is("dedup-in-leader") {
		p.memory.keep(command, made)
	}
	return made, nil, nil
}

// applied tells that the entry at a position was applied with this result. A proposal at that index
// with another term has been overwritten.
func (p *proposals) applied(at protocol.Position, result Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	made := p.waiting[at.Index]
	switch {
	case made == nil:
	case made.at.Term == at.Term || p.mutation.Is("wrong-waiter"):
		p.resolveLocked(made, result, nil)
	default:
		p.resolveLocked(made, Result{}, errLost)
	}
}

// lost gives up the proposals that this node can no longer see to their end: all of terms in which it no longer
// leads, but for those up to the commit index, which are about to be applied.
func (p *proposals) lost(term protocol.Term, leading bool, commit protocol.Index) {
	if p.mutation.Is("wrong-waiter") || p.mutation.Is("waiter-lost") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, made := range p.waiting {
		if (made.at.Term < term || made.at.Term == term && !leading) && made.at.Index > commit {
			p.resolveLocked(made, Result{}, errLost)
		}
	}
}

// covered gives up the proposals up to an index: the state machine has skipped their entries by restoring a snapshot.
func (p *proposals) covered(index protocol.Index) {
	if p.mutation.Is("waiter-lost") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, made := range p.waiting {
		if made.at.Index <= index {
			p.resolveLocked(made, Result{}, errCovered)
		}
	}
}

func (p *proposals) resolveLocked(made *proposal, result Result, err error) {
	delete(p.waiting, made.at.Index)
	if p.inFlight[made.session] == made {
		delete(p.inFlight, made.session)
	}
	made.result, made.err = result, err
	close(made.done)
}
