package kv

import "sync"

// leadership lets any number of goroutines wait for the next news of who leads.
type leadership struct {
	mu    sync.Mutex // guards moved
	moved chan struct{}
}

func newLeadership() leadership { return leadership{moved: make(chan struct{})} }

// next is closed by the next change after this call.
func (l *leadership) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}

func (l *leadership) changed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.moved)
	l.moved = make(chan struct{})
}
