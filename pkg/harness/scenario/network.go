package scenario

import (
	"context"
	"time"

	"whitewater/pkg/harness/cluster"
)

// Network is what a scenario does to the links. pkg/chaos' client does it, see chaos.go.
type Network interface {
	cluster.Proxy
	// WatchHeartbeats makes the proxy count frames of AppendEntries without entries, per link.
	WatchHeartbeats(ctx context.Context) error
	// Partition cuts the links between groups in one step, under a name.
	Partition(ctx context.Context, name string, groups [][]string, p Partition) error
	// Disturb puts a message fault on links in one step, under a name.
	Disturb(ctx context.Context, name string, links []cluster.Link, f messageFault) error
	// LabUnreliable makes links lose and delay messages as the lab's network does.
	LabUnreliable(ctx context.Context, links []cluster.Link) error
	// EndPartition, EndDisturb and EndLabUnreliable take one back.
	EndPartition(ctx context.Context, name string) error
	EndDisturb(ctx context.Context, name string) error
	EndLabUnreliable(ctx context.Context) error
	// FaultsInForce says for each sort of fault whether there is one now, whoever put it there.
	FaultsInForce(ctx context.Context) (map[string]bool, error)
	// Close gives up the connections to the proxy.
	Close()
}

// messageFault is a drop or a delay with its defaults in place.
type messageFault struct {
	action        string // drop or delay
	kind          string // request or response
	method        string // "" = any
	probability   float64
	delay, jitter time.Duration
}

// disturbance fills in the defaults of a step's message fault.
func (st *Step) disturbance() (*MessageFault, messageFault) {
	f, action := st.Drop, "drop"
	if f == nil {
		f, action = st.Delay, "delay"
	}
	m := messageFault{
		action: action, kind: f.Kind, method: f.Method, probability: 1,
		delay: time.Duration(f.Delay), jitter: time.Duration(f.Jitter),
	}
	if m.kind == "" {
		m.kind = "request"
	}
	if f.Probability != nil {
		m.probability = *f.Probability
	}
	return f, m
}
