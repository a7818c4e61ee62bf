package kv

import (
	"context"
	"strings"
	"sync"

	"whitewater/pkg/raft/protocol"
)

// Machine is the replicated state machine. Its Apply and Restore are called by one goroutine at a time;
// everything else may be called from any.
type Machine struct {
	proposals proposals

	mu      sync.RWMutex // guards state, moved
	state   state
	moved   chan struct{} // closed and replaced after each Apply and Restore
	results []Result      // of the batch being applied; the applying goroutine's own
}

// NewMachine returns an empty state machine: nothing applied.
func NewMachine() *Machine {
	return &Machine{
		state:     state{sessions: newSessionTable()},
		proposals: newProposals(),
		moved:     make(chan struct{}),
	}
}

// Apply applies committed entries in log order, without gaps, from index 1 or behind what Restore restored. It keeps
// nothing of the entries. After an error (ErrBadCommand, ErrGap) the machine must not be used. It waits for nothing, so
// it has no use for a context.
func (m *Machine) Apply(_ context.Context, entries []protocol.Entry) error {
	if err := m.applyAll(entries); err != nil {
		return err
	}
	for i, e := range entries {
		m.proposals.applied(e.Position(), m.results[i])
	}
	return nil
}

func (m *Machine) applyAll(entries []protocol.Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results = m.results[:0]
	for _, e := range entries {
		result, err := m.state.apply(e)
		if err != nil {
			return err
		}
		m.results = append(m.results, result)
	}
	m.wakeLocked()
	return nil
}

// wakeLocked tells those who wait that the applied position has moved.
func (m *Machine) wakeLocked() {
	close(m.moved)
	m.moved = make(chan struct{})
}

// Applied returns the last applied position.
func (m *Machine) Applied() protocol.Position {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.state.applied
}

// WaitApplied returns once the entry at index is applied, or covered by a snapshot restored, or with the context's error.
func (m *Machine) WaitApplied(ctx context.Context, index protocol.Index) error {
	for {
		m.mu.RLock()
		applied, moved := m.state.applied.Index, m.moved
		m.mu.RUnlock()
		if applied >= index {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Item is one key as the machine holds it.
type Item struct {
	Key      string
	Value    []byte // must not be changed
	Revision protocol.Index
}

// Get returns a key, whether it is present, and the position at which this was so.
func (m *Machine) Get(key string) (Item, bool, protocol.Position) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.state.keys.Get(key)
	return Item{Key: key, Value: r.value, Revision: r.revision}, ok, m.state.applied
}

// List returns up to limit keys that begin with prefix and come behind after, in byte order, whether
// there are more, and the position at which this was so.
func (m *Machine) List(prefix, after string, limit int) (items []Item, more bool, at protocol.Position) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	m.state.keys.Ascend(max(prefix, after), func(key string, r record) bool {
		if key == after && after != "" {
			return true
		}
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		if len(items) == limit {
			more = true
			return false
		}
		items = append(items, Item{Key: key, Value: r.value, Revision: r.revision})
		return true
	})
	return items, more, m.state.applied
}

// machineStats is one consistent set of sizes.
type machineStats struct {
	keys, sessions  int
	bytes           int64
	sessionsExpired uint64
}

func (m *Machine) stats() machineStats {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return machineStats{
		keys:            m.state.keys.Len(),
		sessions:        m.state.sessions.byID.Len(),
		bytes:           m.state.bytes,
		sessionsExpired: m.state.sessions.expired,
	}
}
