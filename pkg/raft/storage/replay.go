package storage

import (
	"errors"
	"fmt"

	"whitewater/pkg/raft/protocol"
)

// replay adds the records of one batch to what was recovered.
type replay struct {
	*recovery
	hasState bool
}

// take adds a verified batch.
func (r *recovery) take(batch []byte, first bool) error {
	p := replay{recovery: r}
	if err := decodeBatch(batch, &p); err != nil {
		return err
	}
	if first && !p.hasState {
		return errors.New("the segment's first batch has no hard state")
	}
	return r.trim()
}

func (p *replay) state(h protocol.HardState) error {
	p.recovery.state.HardState, p.hasState = h, true
	return nil
}

func (p *replay) base(b base) error {
	if b.compacted.Index < p.recovery.base.compacted.Index || b.snapshot.Index < b.compacted.Index {
		return fmt.Errorf("base record goes back: compacted through %v with a snapshot at %v, after %v",
			b.compacted, b.snapshot.Position, p.recovery.base.compacted)
	}
	p.recovery.base = b
	if b.reset {
		p.floor, p.recovery.state.Entries = b.compacted.Index, nil
		p.closed.cut(1)
	}
	return nil
}

func (p *replay) entry(e protocol.Entry) error {
	next := p.nextIndex()
	if e.Index <= p.recovery.base.compacted.Index && e.Index <= p.floor || e.Index == 0 || e.Index > next {
		return fmt.Errorf("entry %v is out of sequence: index %d comes next", e.Position(), next)
	}
	p.closed.cut(e.Index)
	// What stood below the floor was overwritten here, so the segments that held it are not missed.
	p.floor = min(p.floor, e.Index-1)
	p.recovery.state.Entries = append(p.recovery.state.Entries[:e.Index-1-p.floor], e)
	return nil
}

// trim drops what the batch just read has compacted.
func (r *recovery) trim() error {
	to := r.base.compacted
	if to.Index <= r.floor {
		return nil
	}
	if to.Index >= r.nextIndex() {
		return fmt.Errorf("base record compacts through %v, the log ends at index %d", to, r.nextIndex()-1)
	}
	dropped := to.Index - r.floor
	if got := r.state.Entries[dropped-1].Position(); got != to {
		return fmt.Errorf("base record compacts through %v, the log has %v there", to, got)
	}
	clear(r.state.Entries[:dropped]) // so that their data can go
	r.state.Entries, r.floor = r.state.Entries[dropped:], to.Index
	return nil
}
