package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQueue_Order: what is due first happens first, and of what is due together what was put there first.
func TestQueue_Order(t *testing.T) {
	var q queue
	type happening struct {
		due time.Duration
		seq int
	}
	var got []happening
	r := rand.New(rand.NewPCG(1, 1))
	for seq := range 500 {
		due := time.Duration(r.IntN(20))
		q.at(due, func() {
			if q.now != due {
				t.Errorf("due %v, happens at %v", due, q.now)
			}
			got = append(got, happening{due, seq})
		})
	}
	for q.next(time.Second) {
	}
	if len(got) != 500 || !slices.IsSortedFunc(got, func(a, b happening) int {
		if a.due != b.due {
			return int(a.due - b.due)
		}
		return a.seq - b.seq
	}) {
		t.Errorf("%d happened, in the order %v", len(got), got)
	}
}

// TestQueue_Bounds: nothing happens behind the end, before now, or after a negative delay.
func TestQueue_Bounds(t *testing.T) {
	var q queue
	var got []string
	say := func(text string) func() { return func() { got = append(got, text) } }
	q.at(10, say("ten"))
	q.at(11, say("eleven"))
	if !q.next(10) || q.next(10) || q.now != 10 {
		t.Errorf("now %v", q.now)
	}
	q.at(3, say("late"))
	q.after(-5, say("later"))
	q.after(0, func() { q.after(0, say("nested")) })
	for q.next(10) {
	}
	if q.now != 10 || !slices.Equal(got, []string{"ten", "late", "later", "nested"}) {
		t.Errorf("at %v: %q", q.now, got)
	}
	for q.next(20) {
	}
	if q.now != 20 || got[len(got)-1] != "eleven" {
		t.Errorf("at %v: %q", q.now, got)
	}
}
