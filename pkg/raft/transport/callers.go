package transport

import (
	"sync"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// callers knows over which control connections each peer calls this node: those over which all but snapshots come.
type callers struct {
	mu    sync.Mutex // guards conns
	conns map[*wire.Conn]protocol.NodeID
}

// called notes that from called over conn.
func (c *callers) called(conn *wire.Conn, from protocol.NodeID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-conn.Done(): // it has been forgotten already
	default:
		c.conns[conn] = from
	}
}

// closed forgets conn and tells whose last connection it was; empty: nobody's.
func (c *callers) closed(conn *wire.Conn) protocol.NodeID {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := c.conns[conn]
	delete(c.conns, conn)
	for _, other := range c.conns {
		if other == from {
			return ""
		}
	}
	return from
}
