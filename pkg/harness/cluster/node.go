package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"whitewater/pkg/harness/load"
)

// State is what the harness has done to a node.
type State string

// The states of a node.
const (
	Running State = "running"
	Paused  State = "paused"
	Down    State = "down"
	// Absent nodes have nothing to come back with, so nobody brings them back by themselves: spares that were not started,
	// nodes whose directory was wiped, and those whose own end was awaited.
	Absent State = "absent"
)

// Node is one member and its current process. Its fields are guarded by the cluster's mutex.
type Node struct {
	ID  string
	Dir string // holds data/, events.jsonl, stdout.log, stderr.log

	state    State
	process  *Process
	expected bool          // the process's end was asked for
	joins    bool          // it was started to be added to a cluster, and not to begin one
	ended    chan struct{} // closed once the process's end is in the books
	rpc      string
	http     string
	disk     *disk
	consumed int // events that disk has seen
}

// DataDir is the node's data directory.
func (n *Node) DataDir() string { return filepath.Join(n.Dir, "data") }

// EventLog is the node's event log.
func (n *Node) EventLog() string { return filepath.Join(n.Dir, "events.jsonl") }

// Exit is a node's process ending unasked.
type Exit struct {
	Node  string
	Mono  int64
	Clean bool   // with code 0
	How   string // exit status or signal, and the last line of its log
}

// exitSettings is the code by which a node refuses its command line.
const exitSettings = 3

// SettingsError is a node that refused its command line before it was ready; the text has its last line.
type SettingsError struct{ err error }

func (e *SettingsError) Error() string { return e.err.Error() }

func (e *SettingsError) Unwrap() error { return e.err }

// arguments is the node's command line: what the cluster decides, then the scenario's flags in order
// of their names.
func (c *Cluster) arguments(n *Node, i int) []string {
	peers := make([]string, 0, len(c.nodes))
	for _, peer := range c.nodes {
		address := c.listen(c.opts.Ports.RPC, i)
		if peer != n {
			address = c.dial[Link{From: n.ID, To: peer.ID}]
		}
		peers = append(peers, peer.ID+"="+address)
	}
	begins := "--bootstrap=" + strings.Join(c.Nodes()[:c.opts.Nodes], ",")
	if n.joins {
		begins = "--join"
	}
	args := []string{
		begins, "--id=" + n.ID, "--peers=" + strings.Join(peers, ","), "--cluster-id=" + c.opts.ClusterID,
		"--rpc-listen=" + c.listen(c.opts.Ports.RPC, i), "--http-listen=" + c.listen(c.opts.Ports.HTTP, i),
		"--data-dir=" + n.DataDir(),
	}
	if !c.opts.NoEvents {
		args = append(args, "--event-log="+n.EventLog())
	}
	for _, flag := range slices.Sorted(maps.Keys(c.opts.Flags)) {
		args = append(args, "--"+flag+"="+c.opts.Flags[flag])
	}
	if c.opts.Mutant != "" {
		args = append(args, "--mutant="+c.opts.Mutant)
	}
	return args
}

// listen is the i-th loopback address from a base port, or, from 0, one of the kernel's choice.
func (c *Cluster) listen(base, i int) string {
	if base == 0 {
		return "127.0.0.1:0"
	}
	return fmt.Sprintf("127.0.0.1:%d", base+i)
}

// launch starts the processes of nodes, waits for their ready lines and tells the links.
func (c *Cluster) launch(ctx context.Context, nodes []*Node) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.ReadyTimeout)
	defer cancel()
	started := make(map[*Node]*Process, len(nodes))
	for _, n := range nodes {
		if err := os.MkdirAll(n.Dir, 0o755); err != nil {
			return err
		}
		if err := c.settle(n); err != nil {
			return err
		}
		p, err := startProcess(c.launcher, n.ID, n.Dir, c.program(), c.arguments(n, c.position(n))...)
		if err != nil {
			return err
		}
		started[n] = p
		c.mu.Lock()
		ended := make(chan struct{})
		n.process, n.expected, n.ended = p, false, ended
		c.mu.Unlock()
		c.watches.Go(func() {
			defer close(ended)
			c.watchExit(n, p)
		})
	}
	for n, p := range started {
		fields, err := p.AwaitReady(ctx)
		if err != nil && p.refused() {
			return &SettingsError{err}
		}
		if err != nil {
			return err
		}
		if fields["rpc"] == "" || fields["http"] == "" {
			return fmt.Errorf("%s: its ready line lacks rpc=HOST:PORT or http=HOST:PORT: is %s a raftnode?", n.ID, c.program())
		}
		c.mu.Lock()
		n.rpc, n.http, n.state = fields["rpc"], fields["http"], Running
		c.mu.Unlock()
	}
	return c.pointLinks(ctx, nodes)
}

func (c *Cluster) position(n *Node) int { return slices.Index(c.nodes, n) }

// pointLinks leads every link towards nodes to their current address.
func (c *Cluster) pointLinks(ctx context.Context, nodes []*Node) error {
	upstreams := map[Link]string{}
	for _, l := range links(c.Nodes()) {
		for _, n := range nodes {
			if l.To == n.ID {
				upstreams[l] = n.rpc
			}
		}
	}
	if len(upstreams) == 0 {
		return nil // a cluster of one
	}
	if err := c.proxy.SetUpstreams(ctx, upstreams); err != nil {
		return fmt.Errorf("point links at %d nodes: %w", len(nodes), err)
	}
	return nil
}

// watchExit keeps an end that nobody asked for.
func (c *Cluster) watchExit(n *Node, p *Process) {
	<-p.Exited()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.process != p {
		return
	}
	n.state = Down
	if n.expected && !c.closing {
		c.opts.Logger.Debug("node ended", "node", n.ID, "how", p.ExitText())
		return
	}
	if c.closing {
		return
	}
	c.unexpected = append(c.unexpected, Exit{Node: n.ID, Mono: load.Monotonic(), Clean: p.clean(), How: p.ExitText() + ": " + lastLine(p.cmd.Stderr)})
	c.opts.Logger.Warn("node ended unasked", "node", n.ID, "how", p.ExitText())
}

// ErrUnknownNode is returned for a name that the cluster does not have.
var ErrUnknownNode = errors.New("no such node")

func (c *Cluster) find(ids []string) ([]*Node, error) {
	var found []*Node
	for _, id := range ids {
		i := slices.IndexFunc(c.nodes, func(n *Node) bool { return n.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("%q: %w; the cluster has %s", id, ErrUnknownNode, strings.Join(c.Nodes(), ", "))
		}
		found = append(found, c.nodes[i])
	}
	return found, nil
}

// defaultReadyTimeout is generous: a loaded machine takes seconds to start a few processes.
const defaultReadyTimeout = 20 * time.Second
