package check

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// budget bounds a search by time and by memory, both for all keys together. Memory is looked at every few
// milliseconds, so a search may overshoot by what it allocates meanwhile.
type budget struct {
	deadline time.Time
	over     atomic.Bool
	stop     context.CancelFunc
	wg       sync.WaitGroup
	reason   string // set before over
}

const (
	defaultSearchTime   = 20 * time.Second
	defaultSearchMemory = 1 << 30
	budgetInterval      = 10 * time.Millisecond
)

func newBudget(ctx context.Context, l Limits) *budget {
	if l.Time == 0 {
		l.Time = defaultSearchTime
	}
	if l.MemoryBytes == 0 {
		l.MemoryBytes = defaultSearchMemory
	}
	ctx, cancel := context.WithCancel(ctx)
	b := &budget{deadline: time.Now().Add(l.Time), stop: cancel}
	limit := heapBytes() + l.MemoryBytes
	b.wg.Go(func() { b.watch(ctx, l, limit) })
	return b
}

func (b *budget) watch(ctx context.Context, l Limits, limit uint64) {
	ticker := time.NewTicker(budgetInterval)
	defer ticker.Stop()
	for {
		switch {
		case ctx.Err() != nil:
			b.end("the judging was stopped")
			return
		case !time.Now().Before(b.deadline):
			b.end(fmt.Sprintf("the search took longer than %v", l.Time))
			return
		case heapBytes() > limit:
			b.end(fmt.Sprintf("the search took more than %d MiB", l.MemoryBytes>>20))
			return
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (b *budget) end(reason string) {
	b.reason = reason
	b.over.Store(true)
}

// spent reports whether the search must end.
func (b *budget) spent() bool { return b.over.Load() }

// left is the time left, at least a millisecond: to porcupine 0 means no limit.
func (b *budget) left() time.Duration { return max(time.Millisecond, time.Until(b.deadline)) }

// close ends the watching; spent may be true afterwards without cause.
func (b *budget) close() {
	b.stop()
	b.wg.Wait()
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
