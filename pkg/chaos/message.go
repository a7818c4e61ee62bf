package chaos

import (
	"container/heap"
	"time"

	"whitewater/pkg/wire"
)

// message is a frame on its way through the faults.
type message struct {
	frame    wire.Frame
	method   string
	client   uint32 // the client's id for it
	received time.Time
	turns    []turn
	fate     fate
}

// receive takes a frame that has been fully received, which is valid during the call only.
func (f *frameFlow) receive(frame wire.Frame) error {
	policy := f.conn.link.policy()
	if policy == nil {
		return errConnClosed
	}
	f.policy = policy
	m := message{frame: frame, method: frame.Method, client: frame.ID, received: time.Now()}
	switch {
	case frame.Kind == wire.Notification:
		f.observe(m)
	case (frame.Kind == wire.Request) != (f.dir == upstream):
		return errWrongWay
	case f.dir == upstream:
		m.turns = number(policy.faults, m.method)
		f.observe(m)
	default:
		c, known := f.conn.calls.end(frame.ID)
		if !known {
			return errUnasked
		}
		m.method, m.client, m.turns = c.method, c.client, c.turns
		f.observe(m)
	}
	if policy.effect.cut[f.dir] || f.dst == nil || f.deaf {
		f.blackHole()
		return nil
	}
	if f.synced != policy {
		f.sync()
	}
	m.fate = decide(policy.faults, frame.Kind, m.method, m.turns, f.metrics)
	return f.meet(m)
}

// observe counts a frame as it came from its sender.
func (f *frameFlow) observe(m message) {
	key := frameKey{m.frame.Kind, m.method}
	counter := f.counters[key]
	if counter == nil {
		counter = f.metrics.frameCounter(m.frame.Kind, m.method)
		if len(f.counters) < 2*f.metrics.maxMethods {
			f.counters[key] = counter
		}
	}
	counter.Inc()
	for _, w := range f.policy.watches {
		if w.matches(m.frame, m.method) {
			w.counter.Inc()
		}
	}
}

// meet lets m meet its fate, now or once its delay is over.
func (f *frameFlow) meet(m message) error {
	switch {
	case m.fate.lost == FaultDrop:
		return nil
	case m.fate.delay > 0:
		m.frame.Raw = append([]byte(nil), m.frame.Raw...)
		m.frame.Body, m.frame.Err = nil, nil
		f.delayed.put(m, m.received.Add(m.fate.delay))
		return nil
	}
	return f.forward(m)
}

// forward sends m on, or the error that stands for it.
func (f *frameFlow) forward(m message) error {
	var entry uint32
	switch {
	case m.fate.lost == FaultError:
		return f.answer(m)
	case m.frame.Kind == wire.Notification:
		return f.emit(m.frame.Raw, m.received, 0)
	case m.frame.Kind == wire.Response:
		f.scratch = wire.AppendWithID(f.scratch[:0], m.frame, m.client)
	default:
		id, err := f.conn.calls.add(call{client: m.client, method: m.method, turns: m.turns})
		if err != nil {
			return err
		}
		entry = id
		f.scratch = wire.AppendWithID(f.scratch[:0], m.frame, id)
	}
	err := f.emit(f.scratch, m.received, entry)
	f.shrinkScratch()
	if m.fate.delayed {
		f.metrics.delay.Observe(time.Since(m.received).Seconds())
	} else {
		f.metrics.forward.Observe(time.Since(m.received).Seconds())
	}
	return err
}

// answer sends the client an error in place of the request's or the reply's effect.
func (f *frameFlow) answer(m message) error {
	text := "injected: the " + m.frame.Kind.String() + " was lost to fault " + m.fate.by
	frame := wire.AppendErrorResponse(nil, m.client, text)
	if f.dir == downstream {
		return f.emit(frame, m.received, 0)
	}
	f.conn.answers.put(frame)
	f.conn.wake(downstream)
	return nil
}

// shrinkScratch gives a large frame's buffer back.
func (f *frameFlow) shrinkScratch() {
	if cap(f.scratch) > 256<<10 {
		f.scratch = nil
	}
}

// sendDelayed forwards the messages whose delay is over, and says when the next is due.
func (f *frameFlow) sendDelayed() (due time.Time, err error) {
	for f.delayed.len() > 0 {
		if due = f.delayed.next(); due.After(time.Now()) {
			return due, nil
		}
		m := f.delayed.take()
		if f.cut(f.dir) {
			f.blackHole()
		} else if err := f.forward(m); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, nil
}

// delayQueue holds delayed messages, the next due first, equal ones in order of arrival.
type delayQueue struct {
	items []delayedMessage
	bytes int
	count uint64
}

type delayedMessage struct {
	message
	due    time.Time
	number uint64
}

func (q *delayQueue) put(m message, due time.Time) {
	q.count++
	q.bytes += len(m.frame.Raw)
	heap.Push((*delayHeap)(q), delayedMessage{m, due, q.count})
}

func (q *delayQueue) take() message {
	m := heap.Pop((*delayHeap)(q)).(delayedMessage).message
	q.bytes -= len(m.frame.Raw)
	return m
}

func (q *delayQueue) len() int { return len(q.items) }

func (q *delayQueue) next() time.Time { return q.items[0].due }

// delayHeap is delayQueue as container/heap wants it.
type delayHeap delayQueue

func (h *delayHeap) Len() int { return len(h.items) }

func (h *delayHeap) Less(i, j int) bool {
	a, b := h.items[i], h.items[j]
	if a.due.Equal(b.due) {
		return a.number < b.number
	}
	return a.due.Before(b.due)
}

func (h *delayHeap) Swap(i, j int) { h.items[i], h.items[j] = h.items[j], h.items[i] }

func (h *delayHeap) Push(x any) { h.items = append(h.items, x.(delayedMessage)) }

func (h *delayHeap) Pop() any {
	last := len(h.items) - 1
	x := h.items[last]
	h.items[last] = delayedMessage{}
	h.items = h.items[:last]
	return x
}
