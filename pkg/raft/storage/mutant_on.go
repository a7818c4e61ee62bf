//go:build mutants

package storage

import (
	"sync"
	"time"
)

// lateSync is how long the mutant lets acknowledged batches lie in the page cache.
const lateSync = time.Second

// mutant is ack-before-fsync: a batch is acknowledged once it is written, and synced only with all
// others of the same second. Log.disk guards its fields.
type mutant struct {
	dirty   bool // something is acknowledged and not synced
	ended   bool
	quit    chan struct{} // nil until the goroutine runs
	running sync.WaitGroup
}

// postpones reports whether the batch just written is acknowledged without a sync. It is called
// with Log.disk held.
func (m *mutant) postpones(l *Log) bool {
	if !l.options.Mutation.Is("ack-before-fsync") {
		return false
	}
	m.dirty = true
	if m.quit == nil && !m.ended {
		m.quit = make(chan struct{})
		quit := m.quit
		m.running.Go(func() { m.run(l, quit) })
	}
	return true
}

func (m *mutant) run(l *Log, quit <-chan struct{}) {
	ticker := time.NewTicker(lateSync)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.sync(l)
		case <-quit:
			return
		}
	}
}

func (m *mutant) sync(l *Log) {
	l.disk.Lock()
	defer l.disk.Unlock()
	if l.err != nil {
		return
	}
	if err := m.settle(l); err != nil {
		_ = l.fail(err) // the next Persist returns it
	}
}

// settle syncs what was postponed. It is called with Log.disk held.
func (m *mutant) settle(l *Log) error {
	if !m.dirty {
		return nil
	}
	m.dirty = false
	return l.commit()
}

// stop ends the goroutine; what was postponed stays unsynced.
func (m *mutant) stop(l *Log) {
	l.disk.Lock()
	if m.quit != nil && !m.ended {
		close(m.quit)
	}
	m.ended = true
	l.disk.Unlock()
	m.running.Wait()
}
