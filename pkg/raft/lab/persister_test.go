package lab

import (
	"sync"
	"time"
)

// persister is a server's disk in memory. With a delay, a crash may come between a save and its effect.
type persister struct {
	mu              sync.Mutex
	state, snapshot []byte
	largest         int                          // state ever saved
	delay           func() time.Duration         // nil: saves take no time
	look            func(state, snapshot []byte) // at each save; nil: nobody does
	frozen          bool                         // what is saved now comes too late
}

func (p *persister) Save(state, snapshot []byte) {
	if p.delay != nil {
		time.Sleep(p.delay())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.look != nil && !p.frozen {
		p.look(state, snapshot)
	}
	p.state, p.snapshot = state, snapshot
	p.largest = max(p.largest, len(state))
}

func (p *persister) ReadRaftState() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

func (p *persister) ReadSnapshot() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snapshot
}

func (p *persister) size() int { return len(p.ReadRaftState()) }

// freeze returns a disk that holds what this one does, for the next incarnation.
func (p *persister) freeze() *persister {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
	return &persister{state: p.state, snapshot: p.snapshot, largest: p.largest, delay: p.delay, look: p.look}
}

// newDisk is a server's first.
func (s *suite) newDisk(server int) *persister {
	p := &persister{}
	if s.part == snapshots {
		p.look = func(state, snapshot []byte) { s.record.saved(server, state, snapshot) }
	}
	return p
}

// largest is the size of the largest saved state, crashed servers included.
func (s *suite) largest() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for _, v := range s.servers {
		size = max(size, v.disk.size())
	}
	return size
}

// most is the size of the largest state that any server ever saved.
func (s *suite) most() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for _, v := range s.servers {
		v.disk.mu.Lock()
		size = max(size, v.disk.largest)
		v.disk.mu.Unlock()
	}
	return size
}
