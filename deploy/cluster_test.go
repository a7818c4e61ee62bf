package deploy_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clusterName is the value of the target label cluster.
const clusterName = "deploy-test"

// startWithin is generous: the machine may be busy with other tests.
const startWithin = time.Minute

// cluster is three raftnode processes on ports that stay theirs over restarts.
type cluster struct {
	t        *testing.T
	launcher *launcher
	binary   string
	nodes    []string
	rpc      map[string]string // listen addresses by node
	http     map[string]string
	data     map[string]string // data directories by node
	running  map[string]*process
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{
		t: t, binary: buildNode(t), nodes: []string{"n1", "n2", "n3"},
		rpc: map[string]string{}, http: map[string]string{}, data: map[string]string{},
		running: map[string]*process{},
	}
	for _, node := range c.nodes {
		c.rpc[node], c.http[node] = reservePort(t), reservePort(t)
		c.data[node] = filepath.Join(t.TempDir(), node)
	}
	c.launcher = newLauncher(t)
	return c
}

// start runs a node and waits until both of its listeners are open.
func (c *cluster) start(node string) {
	c.t.Helper()
	peers := make([]string, 0, len(c.nodes))
	for _, peer := range c.nodes {
		peers = append(peers, peer+"="+c.rpc[peer])
	}
	p := c.launcher.run(node, c.binary,
		"--id", node, "--peers", strings.Join(peers, ","),
		"--http-listen", c.http[node], "--data-dir", c.data[node],
		"--cluster-id", clusterName)
	if _, err := p.awaitLine("ready ", startWithin); err != nil {
		c.t.Fatal(err)
	}
	c.running[node] = p
}

func (c *cluster) startAll() {
	c.t.Helper()
	for _, node := range c.nodes {
		c.start(node)
	}
}

// kill ends a node as kill -9 does.
func (c *cluster) kill(node string) {
	c.running[node].kill()
	delete(c.running, node)
}

func buildNode(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "raftnode")
	if output, err := exec.Command("go", "build", "-o", binary, "whitewater/cmd/raftnode").CombinedOutput(); err != nil {
		t.Fatalf("build raftnode: %v\n%s", err, output)
	}
	return binary
}
