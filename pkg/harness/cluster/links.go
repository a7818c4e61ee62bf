package cluster

import "context"

// Link is one ordered pair of nodes: what From calls To through.
type Link struct {
	From, To string
}

// Name is the link's name in the proxy.
func (l Link) Name() string { return l.From + "->" + l.To }

// LinkSpec is a link as the proxy is told of it.
type LinkSpec struct {
	Link
	Listen string // port 0: the kernel picks
}

// Proxy is what the cluster needs of the fault proxy: links, and where they lead.
type Proxy interface {
	// CreateLinks makes msgpack-rpc links that refuse until they know their upstream, and returns
	// the address on which each listens.
	CreateLinks(ctx context.Context, links []LinkSpec) (map[Link]string, error)
	// SetUpstreams points links elsewhere in one step; listeners stay open.
	SetUpstreams(ctx context.Context, upstreams map[Link]string) error
}

// links lists every ordered pair of names, in order.
func links(names []string) []Link {
	var all []Link
	for _, from := range names {
		for _, to := range names {
			if from != to {
				all = append(all, Link{From: from, To: to})
			}
		}
	}
	return all
}
