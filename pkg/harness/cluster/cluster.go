package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The programs, by name in the folder of binaries. The mutants' node exists beside the sound one so
// that a planted bug is in no binary that anybody runs.
const (
	nodeProgram   = "raftnode"
	mutantProgram = "raftnode-mutants"
	proxyProgram  = "chaosproxy"
)

// Ports are base ports, for a cluster to be looked at by hand. Zero: the kernel picks.
type Ports struct {
	RPC, HTTP, Links int // of the first; the others follow
	API              int // of the proxy
}

// Options describe a cluster. Dir, Bin, Nodes, ClusterID and Connect are required.
type Options struct {
	Dir       string // everything of the run lies here
	Bin       string // folder of the binaries
	Nodes     int    // the founders: n1, n2, …
	Spares    int    // further nodes with all their links, which begin nothing: Join starts them
	ClusterID string
	Flags     map[string]string // raftnode's, without dashes
	Mutant    string            // a planted bug's name; "" for the sound node
	Seed      uint64            // of the proxy
	Ports     Ports
	NoEvents  bool                       // nodes write no event logs: for days on end; Snapshot and Await tell nothing
	Connect   func(baseURL string) Proxy // the proxy's client
	// BeforeKill is called with the running nodes that an action is about to end; nil does nothing.
	BeforeKill   func(nodes []string)
	ReadyTimeout time.Duration // from start to ready line; 0 = 20s
	StopTimeout  time.Duration // from SIGTERM to exit; 0 = 10s
	Logger       *slog.Logger  // nil discards
}

func (o Options) withDefaults() Options {
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = defaultReadyTimeout
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 10 * time.Second
	}
	if o.BeforeKill == nil {
		o.BeforeKill = func([]string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Cluster is a set of running nodes and the proxy between them. One goroutine at a time may act on it;
// what only asks (Endpoints, Snapshot, Await, State) may be called from any.
type Cluster struct {
	opts     Options
	launcher *Launcher
	proxy    Proxy
	proxyURL string
	proxyRun *Process
	nodes    []*Node
	dial     map[Link]string // where a link listens
	watcher  *watcher
	watches  sync.WaitGroup // one watchExit per process
	once     sync.Once      // of Close
	closeErr error

	mu         sync.Mutex // guards the nodes' fields, unexpected, closing
	unexpected []Exit
	closing    bool
}

// Start starts the proxy and the nodes. On an error nothing is left running.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	c := &Cluster{opts: opts.withDefaults()}
	paths := map[string]string{}
	for i := range opts.Nodes + opts.Spares {
		id := "n" + strconv.Itoa(i+1)
		n := &Node{ID: id, Dir: filepath.Join(opts.Dir, id), state: Down, disk: newDisk()}
		if i >= opts.Nodes {
			n.state = Absent
		}
		c.nodes = append(c.nodes, n)
		if !c.opts.NoEvents {
			paths[id] = n.EventLog()
		}
	}
	c.launcher = NewLauncher()
	c.watcher = newWatcher(paths, c.opts.Logger)
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.startProxy(ctx); err != nil {
		return err
	}
	specs := []LinkSpec{}
	for i, l := range links(c.Nodes()) {
		specs = append(specs, LinkSpec{Link: l, Listen: c.listen(c.opts.Ports.Links, i)})
	}
	dial, err := c.proxy.CreateLinks(ctx, specs)
	if err != nil {
		return fmt.Errorf("create links: %w", err)
	}
	c.dial = dial
	return c.launch(ctx, c.nodes[:c.opts.Nodes])
}

func (c *Cluster) startProxy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.ReadyTimeout)
	defer cancel()
	dir := filepath.Join(c.opts.Dir, "proxy")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	p, err := startProcess(c.launcher, "chaosproxy", dir, filepath.Join(c.opts.Bin, proxyProgram),
		"--listen="+c.listen(c.opts.Ports.API, 0), "--seed="+strconv.FormatUint(c.opts.Seed, 10))
	if err != nil {
		return err
	}
	c.proxyRun = p
	fields, err := p.AwaitReady(ctx)
	if err != nil {
		return err
	}
	if fields["api"] == "" {
		return fmt.Errorf("chaosproxy: its ready line lacks api=HOST:PORT")
	}
	c.proxyURL = "http://" + fields["api"]
	c.proxy = c.opts.Connect(c.proxyURL)
	return nil
}

func (c *Cluster) program() string {
	if c.opts.Mutant != "" {
		return filepath.Join(c.opts.Bin, mutantProgram)
	}
	return filepath.Join(c.opts.Bin, nodeProgram)
}

// Nodes are the names of all, founders and spares, in order.
func (c *Cluster) Nodes() []string {
	var ids []string
	for _, n := range c.nodes {
		ids = append(ids, n.ID)
	}
	return ids
}

// Links are all ordered pairs.
func (c *Cluster) Links() []Link { return links(c.Nodes()) }

// ProxyURL is where the proxy's control API is.
func (c *Cluster) ProxyURL() string { return c.proxyURL }

// EventLog is the path of a node's event log.
func (c *Cluster) EventLog(id string) string {
	for _, n := range c.nodes {
		if n.ID == id {
			return n.EventLog()
		}
	}
	return ""
}

// Endpoint is where a node is reached.
type Endpoint struct {
	ID    string
	HTTP  string // base URL of its client API; of the last incarnation if it is down, "" if it never ran
	RPC   string // host:port
	State State
}

// Endpoints lists all nodes, in order.
func (c *Cluster) Endpoints() []Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Endpoint
	for _, n := range c.nodes {
		e := Endpoint{ID: n.ID, RPC: n.rpc, State: n.state}
		if n.http != "" {
			e.HTTP = "http://" + n.http
		}
		all = append(all, e)
	}
	return all
}

// State is what has been done to a node.
func (c *Cluster) State(id string) State {
	for _, e := range c.Endpoints() {
		if e.ID == id {
			return e.State
		}
	}
	return Down
}

// Unexpected lists the exits that no action asked for.
func (c *Cluster) Unexpected() []Exit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unexpected[:len(c.unexpected):len(c.unexpected)]
}

// ProxyAlive reports whether the proxy still runs.
func (c *Cluster) ProxyAlive() bool {
	select {
	case <-c.proxyRun.Exited():
		return false
	default:
		return true
	}
}

// Snapshot is what the event logs have told so far.
func (c *Cluster) Snapshot() Snapshot {
	s, _, _ := c.watcher.snapshot() // a log that cannot be read ends every Await
	return s
}

// Await returns once cond holds for what the event logs tell; what names it in the error.
func (c *Cluster) Await(ctx context.Context, what string, cond func(Snapshot) bool) error {
	return c.watcher.await(ctx, what, cond)
}

// Close kills what still runs and gives everything back; it may be called again. It asks nobody: for a
// clean stop call Stop first.
func (c *Cluster) Close() error {
	c.once.Do(func() { c.closeErr = c.close() })
	return c.closeErr
}

func (c *Cluster) close() error {
	c.mu.Lock()
	c.closing = true
	processes := []*Process{c.proxyRun}
	for _, n := range c.nodes {
		processes = append(processes, n.process)
	}
	c.mu.Unlock()
	var errs []error
	for _, p := range processes {
		if p != nil {
			errs = append(errs, p.Signal(syscall.SIGKILL))
		}
	}
	c.launcher.Close()
	for _, p := range processes {
		if p != nil {
			<-p.Exited()
		}
	}
	c.watches.Wait()
	c.watcher.close()
	return errors.Join(errs...)
}
