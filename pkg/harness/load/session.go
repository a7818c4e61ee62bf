package load

import (
	"context"
	"net/http"
	"strconv"
)

// enter gives the operation its place in the client's session, and opens one if there is none.
func (c *client) enter(ctx context.Context, op *Operation) bool {
	if c.session == "" {
		c.session, c.seq = c.open(ctx, op), 0
	}
	if c.session == "" {
		return false
	}
	c.seq++
	op.Session, op.Seq = c.session, c.seq
	return true
}

// open makes a session; "" if time ran out. A lost answer leaves a session that nobody uses, which harms nothing.
// Its attempts are not the operation's: they cannot have done what it asks for.
func (c *client) open(ctx context.Context, op *Operation) string {
	target, redirects := c.first(op.Kind), 0
	for tries := 0; ctx.Err() == nil; {
		node, known := c.node(target)
		if known {
			session, reply := c.openAt(ctx, node)
			if session != "" {
				return session
			}
			if next, ok := reply.redirect(c.endpoints()); ok && c.pinned == "" && redirects < maxRedirects {
				target, redirects = next.ID, redirects+1
				continue
			}
		}
		redirects = 0
		target = c.after(target)
		c.pause(ctx, &tries)
	}
	return ""
}

func (c *client) openAt(ctx context.Context, node Node) (string, answer) {
	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	a, reply := attempt(ctx, c.http, node, request{method: http.MethodPost, path: "/v1/sessions"})
	if a.Outcome != OK {
		c.options.Logger.Debug("no session", "node", node.ID, "client", c.name(), "status", a.Status, "err", a.Err)
		return "", reply
	}
	c.leader = node.ID
	switch id := reply.fields.Session.(type) {
	case string:
		return id, reply
	case float64:
		return strconv.FormatFloat(id, 'f', -1, 64), reply
	}
	return "", reply
}
