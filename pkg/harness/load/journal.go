package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"whitewater/pkg/harness/jsonlines"
)

// Counts are operations by outcome.
type Counts struct {
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	Unknown int `json:"unknown"`
}

// Stats are the finished operations by kind; final reads are not among them.
type Stats struct {
	Total  Counts          `json:"total"`
	ByKind map[Kind]Counts `json:"by_kind"`
}

// journal holds the operations that have ended.
type journal struct {
	onDone func(Operation)
	record *jsonlines.Writer

	mu      sync.Mutex // guards what follows
	history []Operation
	total   Counts
	byKind  map[Kind]Counts
	waiters []waiter
	err     error
}

// waiter is told when so many operations have succeeded.
type waiter struct {
	ok   int
	done chan struct{}
}

func newJournal(o Options) journal {
	return journal{onDone: o.OnDone, record: jsonlines.NewWriter(o.Record), byKind: map[Kind]Counts{}}
}

func (j *journal) add(op Operation) {
	err := j.record.Write(op)
	j.note(op, err)
	if j.onDone != nil {
		j.onDone(op)
	}
}

func (j *journal) note(op Operation, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("record operation %d: %w", op.ID, err)
	}
	j.history = append(j.history, op)
	if op.Final {
		return
	}
	j.total.count(op.Outcome)
	counts := j.byKind[op.Kind]
	counts.count(op.Outcome)
	j.byKind[op.Kind] = counts
	j.waiters = slices.DeleteFunc(j.waiters, func(w waiter) bool {
		reached := j.total.OK >= w.ok
		if reached {
			close(w.done)
		}
		return reached
	})
}

func (c *Counts) count(o Outcome) {
	switch o {
	case OK:
		c.OK++
	case Failed:
		c.Failed++
	case Unknown:
		c.Unknown++
	}
}

func (j *journal) all() []Operation {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.history)
}

func (j *journal) stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{Total: j.total, ByKind: maps.Clone(j.byKind)}
}

func (j *journal) failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// keys are those that any operation named, sorted.
func (j *journal) keys() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	seen := map[string]bool{}
	for _, op := range j.history {
		seen[op.Key] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func (j *journal) awaitOK(ctx context.Context, n int) error {
	j.mu.Lock()
	w := waiter{ok: j.total.OK + n, done: make(chan struct{})}
	if n <= 0 {
		close(w.done)
	} else {
		j.waiters = append(j.waiters, w)
	}
	j.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("await %d more successful operations, %d are missing: %w", n, w.ok-j.stats().Total.OK, ctx.Err())
	}
}
