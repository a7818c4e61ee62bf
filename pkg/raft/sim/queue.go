package sim

import (
	"container/heap"
	"time"
)

// queue holds what is to happen, by when it is due and then in the order in which it was put there.
type queue struct {
	now    time.Duration // since the run began
	events events
	count  uint64
}

type event struct {
	due time.Duration
	seq uint64
	do  func()
}

type events []*event

func (e events) Len() int { return len(e) }

func (e events) Less(i, j int) bool {
	return e[i].due < e[j].due || e[i].due == e[j].due && e[i].seq < e[j].seq
}

func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

func (e *events) Push(x any) { *e = append(*e, x.(*event)) }

func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	return x
}

// after has do happen once d has passed.
func (q *queue) after(d time.Duration, do func()) { q.at(q.now+max(0, d), do) }

// at has do happen at a moment that is not past.
func (q *queue) at(due time.Duration, do func()) {
	q.count++
	heap.Push(&q.events, &event{max(due, q.now), q.count, do})
}

// next lets the next event happen, unless it is due behind end. It reports whether there was one.
func (q *queue) next(end time.Duration) bool {
	if len(q.events) == 0 || q.events[0].due > end {
		q.now = end
		return false
	}
	e := heap.Pop(&q.events).(*event)
	q.now = e.due
	e.do()
	return true
}
