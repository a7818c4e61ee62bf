package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"

	"whitewater/pkg/kv"
	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
	"whitewater/pkg/raft/transport"
)

func (n *node) openEvents() error {
	var log *raft.EventLog
	if path := n.config.eventLog; path != "" {
		var err error
		if log, err = raft.OpenEventLog(path, n.config.raft.ID, n.incarnation); err != nil {
			return fmt.Errorf("--event-log %w: %w", errUnusable, err)
		}
	}
	n.events = newEvents(log, n.stdout)
	n.undo = append(n.undo, n.events.finish)
	return nil
}

// openStorage opens the data directory. Its cluster is the settings', unless these only guess it.
func (n *node) openStorage() error {
	options := n.config.storage
	options.Logger, options.Observe, options.Metrics = n.logger, n.events.fileOp, storage.NewMetrics(n.registry)
	log, recovered, err := storage.Open(options)
	if errors.Is(err, storage.ErrForeign) && n.config.sources["cluster-id"] == derivedCluster {
		options.ClusterID = ""
		log, recovered, err = storage.Open(options)
	}
	if err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	}
	n.log, n.recovered = log, recovered
	n.undo = append(n.undo, log.Close)
	fmt.Fprintln(n.stdout, recoveredLine(options.Dir, recovered))
	return n.config.checkVoters(recovered)
}

// recoveredLine says what was found.
func recoveredLine(dir string, r storage.Recovered) string {
	line := "recovered nothing, " + dir + " is new"
	snapshot, count := r.State.Snapshot, len(r.State.Entries)
	if r.State.Term > 0 || count > 0 {
		line = fmt.Sprintf("recovered term %d", r.State.Term)
		if !snapshot.IsZero() {
			line += fmt.Sprintf(", a snapshot up to entry %d of %d bytes", snapshot.Index, snapshot.Size)
		}
		if count > 0 {
			line += fmt.Sprintf(", entries %d to %d", r.State.Entries[0].Index, r.State.Entries[count-1].Index)
		} else {
			line += ", no entries"
		}
	}
	if r.TornBytes > 0 {
		line += fmt.Sprintf("; an unfinished write of %d bytes was cut off %s", r.TornBytes, r.TornFile)
	}
	return line
}

// startReplica joins disk, peers, state machine and clients. The replica is killed before the disk is closed.
func (n *node) startReplica() error {
	n.transport = transport.New(transport.Options{
		Cluster: n.recovered.ClusterID, ID: n.config.raft.ID, Directory: n.recovered.DirectoryID,
		Peers: n.config.addresses, Limits: n.config.limits, Linger: 3 * n.config.raft.ElectionTimeout,
		Logger: n.logger, Metrics: transport.NewMetrics(n.registry),
	})
	n.undo = append(n.undo, n.transport.Close)
	machine := kv.NewMachine()
	machine.Mutate(n.config.raft.Mutation)
	options := n.config.replicaOptions()
	options.Members, options.Configured = n.recovered.Bootstrap, n.configured
	options.Identity = protocol.Identity{
		Directory: n.recovered.DirectoryID,
		Address:   advertised(n.config.rpcAdvertise, n.config.rpcListen, n.rpc),
	}
	options.State, options.Storage, options.Snapshots = n.recovered.State, n.log, snapshots{n.log}
	options.Transport, options.StateMachine = n.transport, machine
	options.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	options.MaxCommandBytes = kv.MaxCommandBytes(n.config.kv.MaxKeyBytes, n.config.kv.MaxValueBytes)
	options.LeaderURL = "http://" + advertised(n.config.httpAdvertise, n.config.httpListen, n.http)
	options.Events, options.Logger, options.Metrics = n.events, n.logger, n.registry
	var err error
	if n.replica, err = raft.New(options); err != nil {
		return n.config.forgotten(err)
	}
	n.undo = append(n.undo, func() error { n.replica.Kill(); return nil })

	service := n.config.kv
	service.Cluster, service.Incarnation = n.recovered.ClusterID, n.incarnation
	service.Logger, service.Metrics = n.logger, n.registry
	if n.service, err = kv.NewService(machine, n.replica, service); err != nil {
		return err
	}
	n.loops.Go(n.watchLeadership)
	n.loops.Go(n.watchMembers)
	return nil
}

// advertised is where a listener can be reached: as the settings say, or else on the host that they had it listen on.
func advertised(advertise, listen string, listener net.Listener) string {
	if advertise != "" {
		return advertise
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		panic("a TCP listener's address has no port: " + listener.Addr().String())
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		panic("an address to listen on was not validated: " + listen)
	}
	return net.JoinHostPort(host, port)
}

// listen opens both listeners, so that their ports are known before anything is told about them.
func (n *node) listen() error {
	var err error
	if n.rpc, err = net.Listen("tcp", n.config.rpcListen); err != nil {
		return fmt.Errorf("--rpc-listen: %w", err)
	}
	n.undo = append(n.undo, ignoreClosed(n.rpc.Close))
	if n.http, err = net.Listen("tcp", n.config.httpListen); err != nil {
		return fmt.Errorf("--http-listen: %w", err)
	}
	n.undo = append(n.undo, ignoreClosed(n.http.Close))
	return nil
}

// serve starts both servers and says so.
func (n *node) serve() error {
	n.server = newHTTPServer(n.service, n.config.kv.MaxKeyBytes, n.logger)
	n.loops.Go(func() { n.ended("rpc", n.transport.Serve(n.rpc, n.replica)) })
	n.loops.Go(func() { n.ended("http", n.server.Serve(n.http)) })
	n.undo = append(n.undo, n.server.Close)
	_, err := fmt.Fprintf(n.stdout, "ready rpc=%s http=%s\n", n.rpc.Addr(), n.http.Addr())
	return err
}

func ignoreClosed(closer func() error) func() error {
	return func() error {
		if err := closer(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
