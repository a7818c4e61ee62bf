package scenario

import (
	"context"
	"fmt"
	"time"

	"whitewater/pkg/chaos"
	"whitewater/pkg/harness/cluster"
)

// unknownUpstream makes a link refuse until it learns where its node listens.
const unknownUpstream = "127.0.0.1:0"

// heartbeatWatch is the name under which the proxy counts heartbeats.
const heartbeatWatch = "heartbeat"

// chaosNetwork is a [Network] on chaosproxy.
type chaosNetwork struct {
	client *chaos.Client
}

// ConnectChaos is the network behind a chaosproxy's control API.
func ConnectChaos(baseURL string) Network { return chaosNetwork{chaos.NewClient(baseURL)} }

func (n chaosNetwork) CreateLinks(ctx context.Context, links []cluster.LinkSpec) (map[cluster.Link]string, error) {
	listens := map[cluster.Link]string{}
	for _, l := range links {
		made, err := n.client.Create(ctx, chaos.Proxy{
			Name: l.Name(), Listen: l.Listen, Upstream: unknownUpstream, Enabled: true,
			Protocol: chaos.ProtocolMsgpackRPC, Source: l.From, Target: l.To,
		})
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", l.Name(), err)
		}
		listens[l.Link] = made.Listen
	}
	return listens, nil
}

func (n chaosNetwork) SetUpstreams(ctx context.Context, upstreams map[cluster.Link]string) error {
	byName := map[string]string{}
	for l, address := range upstreams {
		byName[l.Name()] = address
	}
	_, err := n.client.SetUpstreams(ctx, byName)
	return err
}

func (n chaosNetwork) WatchHeartbeats(ctx context.Context) error {
	_, err := n.client.AddWatch(ctx, chaos.Watch{
		Name: heartbeatWatch, Kind: chaos.KindRequest, Method: "Raft.AppendEntries", Empty: "Entries",
	})
	return err
}

func (n chaosNetwork) Partition(ctx context.Context, name string, groups [][]string, p Partition) error {
	c := chaos.Partition{Name: name, Groups: groups, Mode: p.Mode, OneWay: p.OneWay, Direction: "both"}
	if p.OneWay != "" {
		c.Direction = "one_way"
	}
	if c.Mode == "" {
		c.Mode = modeBlack
	}
	_, err := n.client.Partition(ctx, c)
	return err
}

func (n chaosNetwork) EndPartition(ctx context.Context, name string) error {
	_, err := n.client.Heal(ctx, name)
	return err
}

func (n chaosNetwork) Disturb(ctx context.Context, name string, links []cluster.Link, f messageFault) error {
	_, err := n.client.AddFault(ctx, onLinks(links), chaos.Fault{
		Name: name, Type: f.action, Kind: f.kind, Method: f.method, Probability: f.probability,
		DelayMS: milliseconds(f.delay), JitterMS: milliseconds(f.jitter),
	})
	return err
}

func (n chaosNetwork) EndDisturb(ctx context.Context, name string) error {
	_, err := n.client.RemoveFault(ctx, name)
	return err
}

func (n chaosNetwork) LabUnreliable(ctx context.Context, links []cluster.Link) error {
	_, err := n.client.AddPreset(ctx, chaos.PresetLabUnreliable, onLinks(links))
	return err
}

func (n chaosNetwork) EndLabUnreliable(ctx context.Context) error {
	_, err := n.client.RemovePreset(ctx, chaos.PresetLabUnreliable)
	return err
}

func (n chaosNetwork) FaultsInForce(ctx context.Context) (map[string]bool, error) {
	partitions, err := n.client.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	faults, err := n.client.Faults(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]bool{"partition": len(partitions) > 0, "message": len(faults) > 0}, nil
}

func (n chaosNetwork) Close() { n.client.Close() }

func onLinks(links []cluster.Link) chaos.Targets {
	var names []string
	for _, l := range links {
		names = append(names, l.Name())
	}
	return chaos.OnLinks(names...)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
