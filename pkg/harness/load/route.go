package load

import (
	"context"
	"slices"
	"time"
)

// first is the node to begin with: writes where the last one succeeded, reads anywhere.
func (c *client) first(kind Kind) string {
	if c.pinned != "" {
		return c.pinned
	}
	if kind.Write() && c.leader != "" {
		return c.leader
	}
	nodes := c.endpoints()
	if len(nodes) == 0 {
		return ""
	}
	return nodes[c.rand.IntN(len(nodes))].ID
}

// after is the node to try after one that did not answer.
func (c *client) after(id string) string {
	nodes := c.endpoints()
	if c.pinned != "" || len(nodes) == 0 {
		return c.pinned
	}
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == id })
	return nodes[(i+1)%len(nodes)].ID
}

func (c *client) node(id string) (Node, bool) {
	nodes := c.endpoints()
	i := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == id })
	if i < 0 {
		return Node{}, false
	}
	return nodes[i], true
}

// pause waits longer after each try, half of it by chance, so that clients do not return in step.
func (c *client) pause(ctx context.Context, tries *int) {
	d := min(backoffMax, backoffMin<<min(*tries, 10))
	*tries++
	wait(ctx, d/2+time.Duration(c.rand.Int64N(int64(d))))
}

// wait lets d pass and reports true, or false if the context ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
