package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/scenario"
)

// startBenchCluster starts three nodes behind a proxy without faults and awaits their leader.
func startBenchCluster(b *testing.B) *cluster.Cluster {
	b.Helper()
	c, err := cluster.Start(b.Context(), cluster.Options{
		Dir: b.TempDir(), Bin: binaryFolder(b), Nodes: 3, ClusterID: "bench",
		Connect: func(url string) cluster.Proxy { return scenario.ConnectChaos(url) },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	awaitElection(b, c, 0)
	return c
}

// awaitElection awaits a leader elected in a term above after.
func awaitElection(b *testing.B, c *cluster.Cluster, after uint64) cluster.Election {
	b.Helper()
	var found cluster.Election
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	err := c.Await(ctx, "a leader", func(s cluster.Snapshot) bool {
		i := slices.IndexFunc(s.Elections, func(e cluster.Election) bool { return e.Term > after })
		if i >= 0 {
			found = s.Elections[i]
		}
		return i >= 0
	})
	if err != nil {
		b.Fatal(err)
	}
	return found
}

func nodesOf(c *cluster.Cluster) load.Endpoints {
	return func() []load.Node {
		var nodes []load.Node
		for _, e := range c.Endpoints() {
			nodes = append(nodes, load.Node{ID: e.ID, URL: e.HTTP})
		}
		return nodes
	}
}

// BenchmarkWrites puts values of some bytes through HTTP, closed loop, each acknowledged after a majority's fsync.
// b.N counts writes.
func BenchmarkWrites(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			c := startBenchCluster(b)
			l, err := load.Start(b.Context(), load.Options{
				Clients: clients, Keys: 64, OpsPerKey: 1 << 20, Mix: map[load.Kind]int{load.Put: 1}, Seed: 1,
			}, nodesOf(c))
			if err != nil {
				b.Fatal(err)
			}
			if err := l.AwaitOK(b.Context(), clients); err != nil {
				b.Fatal(err)
			}
			warm := len(l.History())
			b.ResetTimer()
			if err := l.AwaitOK(b.Context(), b.N); err != nil {
				b.Fatal(err)
			}
			elapsed := b.Elapsed()
			b.StopTimer()
			l.Stop()
			reportLatency(b, l.History()[warm:], elapsed)
		})
	}
}

func reportLatency(b *testing.B, history []load.Operation, elapsed time.Duration) {
	var latencies []float64 // milliseconds
	for _, op := range history {
		if op.Outcome == load.OK {
			latencies = append(latencies, float64(op.Return-op.Call)/1e6)
		}
	}
	slices.Sort(latencies)
	b.ReportMetric(float64(b.N)/elapsed.Seconds(), "writes/s")
	b.ReportMetric(latencies[len(latencies)/2], "p50-ms")
	b.ReportMetric(latencies[len(latencies)*99/100], "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkFailover kills the leader with SIGKILL, b.N times, and measures the time to the first write that succeeds
// on a survivor, one being tried every 5 ms. Who leads is read just before the kill and must have changed after it.
func BenchmarkFailover(b *testing.B) {
	c := startBenchCluster(b)
	var took []float64 // milliseconds
	for b.Loop() {
		leader := awaitElection(b, c, c.Snapshot().MaxTerm()-1)
		began := time.Now()
		if err := c.Kill([]string{leader.Node}); err != nil {
			b.Fatal(err)
		}
		awaitWrite(b, c, leader.Node)
		took = append(took, float64(time.Since(began))/1e6)
		if next := awaitElection(b, c, leader.Term); next.Node == leader.Node {
			b.Fatalf("%s was killed and leads", next.Node)
		}
		if err := c.Restart(b.Context(), []string{leader.Node}); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(took[0], "min-ms")
	b.ReportMetric(took[len(took)/2], "median-ms")
	b.ReportMetric(took[len(took)-1], "max-ms")
	b.ReportMetric(0, "ns/op")
}

// awaitWrite tries a write on each survivor every 5 ms until one succeeds.
func awaitWrite(b *testing.B, c *cluster.Cluster, dead string) {
	b.Helper()
	done := make(chan struct{}, 1)
	try := func(url string) {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPut, url+"/v1/kv/failover", strings.NewReader("x"))
		if err != nil {
			b.Error(err)
			return
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		for _, e := range c.Endpoints() {
			if e.ID != dead {
				go try(e.HTTP)
			}
		}
		select {
		case <-done:
			return
		case <-ticker.C:
		case <-b.Context().Done():
			b.Fatal(b.Context().Err())
		}
	}
}
