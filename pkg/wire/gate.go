package wire

import "sync"

// gate lets those pass one by one, in the order of their numbers, whose requests arrived in that order.
type gate struct {
	mu      sync.Mutex // guards passed and waiting
	passed  uint64     // numbers up to here have left
	waiting map[uint64]chan struct{}
}

// Enter returns once every request with a lower seq, as Arrived was told, has called Leave: net/rpc runs the
// requests of a connection concurrently, and this gives those who need it their order back. Who
// enters must leave, and who implements Arriver for that must do both.
func (c *Conn) Enter(seq uint64) {
	c.gate.mu.Lock()
	if c.gate.passed+1 >= seq {
		c.gate.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	if c.gate.waiting == nil {
		c.gate.waiting = make(map[uint64]chan struct{})
	}
	c.gate.waiting[seq] = turn
	c.gate.mu.Unlock()
	<-turn
}

// Leave lets the request behind seq enter.
func (c *Conn) Leave(seq uint64) {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.gate.passed = seq
	if turn, ok := c.gate.waiting[seq+1]; ok {
		delete(c.gate.waiting, seq+1)
		close(turn)
	}
}
