package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/kv"
	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
	"whitewater/pkg/raft/transport"
)

// drainTime is how long clients' requests under way may still take when the node stops.
const drainTime = 3 * time.Second

// node is a running member: every part, and what undoes it.
type node struct {
	config      *config
	logger      *slog.Logger
	stdout      io.Writer
	incarnation string // names this run
	registry    *prometheus.Registry

	rpc, http net.Listener
	events    *events
	log       *storage.Log
	recovered storage.Recovered
	transport *transport.Transport
	replica   *raft.Replica
	service   *kv.Service
	server    *http.Server

	configurations chan protocol.Configuration // the newest one that nobody has looked at; holds one

	failed chan error // a listener that ended by itself; room for each
	loops  sync.WaitGroup
	undo   []func() error // in the order of starting
}

// start starts every part of a node and prints the ready line. On an error nothing is left running.
func start(c *config, logger *slog.Logger, stdout io.Writer) (*node, error) {
	n := &node{
		config: c, logger: logger, stdout: stdout, registry: newRegistry(),
		incarnation: fmt.Sprintf("%016x", rand.Uint64()),
		failed:      make(chan error, 2),

		configurations: make(chan protocol.Configuration, 1),
	}
	for _, step := range []func() error{n.listen, n.openEvents, n.openStorage, n.startReplica, n.serve} {
		if err := step(); err != nil {
			return nil, errors.Join(err, n.close())
		}
	}
	return n, nil
}

// ended notes that a server has ended. Wanted ends are noted too, but nobody waits for them any more.
func (n *node) ended(server string, err error) {
	n.failed <- fmt.Errorf("%s server ended: %w", server, err)
}

// watchLeadership tells the service who leads.
func (n *node) watchLeadership() {
	for {
		select {
		case change := <-n.replica.Leadership():
			n.service.LeadershipChanged(change.Term, change.Self)
		case <-n.replica.Done():
			return
		}
	}
}

// wait returns when the node should end: the reason, and an error if it ended by itself.
func (n *node) wait(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "signal", nil
	case err := <-n.failed:
		return "", err
	case <-n.replica.Done():
		return "", n.config.forgotten(n.replica.Err())
	}
}

// stop ends the node: no new requests, those under way drained, the replica killed, everything closed. A
// reason makes it a clean end, which the event log tells.
func (n *node) stop(reason string) error {
	n.service.Stop()
	var errs []error
	if reason != "" {
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if err := n.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			errs = append(errs, fmt.Errorf("drain clients' requests: %w", err))
		}
	}
	n.replica.Kill()
	if reason != "" {
		n.events.Record(raft.StopEvent(n.replica.Status().Term, reason))
	}
	return errors.Join(append(errs, n.close())...)
}

// close undoes what was started, last first.
func (n *node) close() error {
	var errs []error
	for _, undo := range slices.Backward(n.undo) {
		errs = append(errs, undo())
	}
	n.loops.Wait()
	return errors.Join(errs...)
}
