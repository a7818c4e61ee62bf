package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/scenario"
)

const (
	upReady     = "up" // the line that ends a good start
	upCluster   = "up" // the label cluster of everything that is scraped
	upNodes     = 3
	upRate      = 20 // operations per second: gentle
	upClients   = 3
	upMetrics   = "127.0.0.1:8470"
	readyWait   = 20 * time.Second
	readyPoll   = 50 * time.Millisecond
	loadRenewal = 10 * time.Minute // a load keeps its whole history: begin a new one now and then
)

// serve runs the cluster in this process until the context ends.
func serve(ctx context.Context, f upFlags, out io.Writer) (err error) {
	if f.readyFD > 0 {
		parent := os.NewFile(uintptr(f.readyFD), "parent")
		defer func() {
			if err != nil {
				fmt.Fprintf(parent, "%v\n", err) // the parent may be gone; the log has it too
			}
			err = errors.Join(err, parent.Close())
		}()
		out = parent
	}
	m := newMetrics()
	listener, err := net.Listen("tcp", upMetrics)
	if err != nil {
		return portTaken(fmt.Errorf("serve the harness' metrics: %w", err))
	}
	server := &http.Server{Handler: m.handler(), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		err = errors.Join(err, server.Close())
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
	}()
	dir := filepath.Join(f.dir, "cluster")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var proxy scenario.Network
	c, err := cluster.Start(ctx, cluster.Options{
		Dir: dir, Bin: f.bin, Nodes: upNodes, ClusterID: upCluster, NoEvents: true, Logger: logger,
		Ports: cluster.Ports{RPC: 7101, HTTP: 8101, Links: 7201, API: 8474},
		Connect: func(url string) cluster.Proxy {
			proxy = scenario.ConnectChaos(url)
			return proxy
		},
	})
	if err != nil {
		return portTaken(err)
	}
	defer func() {
		proxy.Close()
		err = errors.Join(err, c.Close())
	}()
	m.watch(c, proxy)
	if err := proxy.WatchHeartbeats(ctx); err != nil {
		return err
	}
	if err := awaitReady(ctx, c); err != nil {
		return err
	}
	return operate(ctx, f, c, m, out)
}

// portTaken adds the mend to an error that names a port in use. Children tell of it in words alone.
func portTaken(err error) error {
	if !strings.Contains(err.Error(), syscall.EADDRINUSE.Error()) {
		return err
	}
	return usage("%w\nif another cluster is up, end it (make down, or harness down --dir its folder); else free that port", err)
}

// operate loads the cluster until the context ends, then stops it cleanly.
func operate(ctx context.Context, f upFlags, c *cluster.Cluster, m *metrics, out io.Writer) (err error) {
	s, err := announce(f.dir, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, forget(f.dir)) }()
	if err := greet(out, s); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := loadOnce(ctx, c, m); err != nil {
			return err
		}
	}
	var running []string
	for _, e := range c.Endpoints() {
		if e.State == cluster.Running {
			running = append(running, e.ID)
		}
	}
	return c.Stop(context.WithoutCancel(ctx), running)
}

func loadOnce(ctx context.Context, c *cluster.Cluster, m *metrics) error {
	ctx, cancel := context.WithTimeout(ctx, loadRenewal)
	defer cancel()
	l, err := load.Start(ctx, load.Options{Clients: upClients, Rate: upRate, OnDone: m.done}, func() []load.Node {
		var nodes []load.Node
		for _, e := range c.Endpoints() {
			nodes = append(nodes, load.Node{ID: e.ID, URL: e.HTTP})
		}
		return nodes
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	l.Stop()
	return l.Err()
}

// awaitReady asks every node until it says that it can serve.
func awaitReady(ctx context.Context, c *cluster.Cluster) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for _, e := range c.Endpoints() {
		for !ready(ctx, e.HTTP+"/readyz") {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready after %v: see its stderr.log", e.ID, readyWait)
			}
		}
	}
	return nil
}

func ready(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// announce writes the files by which others find the cluster.
func announce(dir string, c *cluster.Cluster) (upState, error) {
	started, err := processStart(os.Getpid())
	if err != nil {
		return upState{}, err
	}
	s := upState{Pid: os.Getpid(), Started: started, Cluster: upCluster, Proxy: c.ProxyURL(), Metrics: "http://" + upMetrics}
	for _, e := range c.Endpoints() {
		s.Nodes = append(s.Nodes, upNode{ID: e.ID, HTTP: e.HTTP, RPC: e.RPC})
	}
	return s, errors.Join(writeJSON(targetsPath(dir), s.targets()), writeJSON(statePath(dir), s))
}

func greet(out io.Writer, s upState) error {
	var b strings.Builder
	for _, n := range s.Nodes {
		fmt.Fprintf(&b, "%s     %s\n", n.ID, n.HTTP)
	}
	fmt.Fprintf(&b, "proxy  %s\nload   %d operations a second; %s/metrics\nend it with harness down\n%s\n", s.Proxy, upRate, s.Metrics, upReady)
	_, err := io.WriteString(out, b.String())
	return err
}
