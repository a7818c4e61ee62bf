package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// finalReaders read side by side; each has its own connections.
const finalReaders = 4

// FinalReads reads every key of the history once, linearizably, and notes the answers as Final. Each key is
// asked for until it is answered or the context ends; the error names the keys without an answer. Call it
// after Stop, on a healed cluster.
func (l *Load) FinalReads(ctx context.Context) error {
	keys := make(chan string)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards errs
	var errs []error
	o := l.options
	o.Stale = false
	o.Deadline = 24 * time.Hour // the context sets the limit
	for number := range finalReaders {
		c := newClient(o, l.endpoints, l.options.Clients+1+number)
		wg.Go(func() {
			defer c.close()
			for key := range keys {
				if err := l.finalRead(ctx, c, key); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, key := range l.journal.keys() {
		keys <- key
	}
	close(keys)
	wg.Wait()
	return errors.Join(errs...)
}

func (l *Load) finalRead(ctx context.Context, c *client, key string) error {
	id := int(l.nextID.Add(1))
	op := c.do(ctx, step{kind: Get, key: key})
	op.ID, op.Final = id, true
	l.journal.add(op)
	if op.Outcome == OK {
		return nil
	}
	last := "no node to ask"
	if n := len(op.Attempts); n > 0 {
		last = fmt.Sprintf("%s: status %d %s", op.Attempts[n-1].Node, op.Attempts[n-1].Status, op.Attempts[n-1].Err)
	}
	return fmt.Errorf("final read of %s: no answer after %d attempts (last: %s)", key, len(op.Attempts), last)
}
