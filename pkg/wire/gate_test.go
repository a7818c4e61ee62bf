package wire

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
)

// TestGate_KeepsOrder lets requests come to the gate in any order: they pass in that of their numbers.
func TestGate_KeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{}
		var passed []uint64
		for _, i := range rand.Perm(100) {
			seq := uint64(i + 1)
			go func() {
				c.Enter(seq)
				passed = append(passed, seq) // the gate is the lock
				c.Leave(seq)
			}()
		}
		synctest.Wait()
		if len(passed) != 100 || !slices.IsSorted(passed) {
			t.Errorf("passed in the order %v", passed)
		}
	})
}
