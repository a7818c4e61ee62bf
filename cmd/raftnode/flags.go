package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// flagSet binds the flags to the settings.
func (c *config) flagSet() *pflag.FlagSet {
	f := pflag.NewFlagSet("raftnode", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar((*string)(&c.raft.ID), "id", "", "this node's `name` among the members; required")
	f.IntVar(&c.local, "local", 0, "a cluster of `N` nodes n1, n2, … on loopback: RPC on 7101…, HTTP on 8101…; instead of --peers")
	f.StringVar(&c.peers, "peers", "", "members, now or later, and how this node dials each: `n1=host:port,…`")
	f.StringVar(&c.bootstrap, "bootstrap", "", "the voters of a new cluster: `n1,n2,…`, this node too (default every name in --peers)")
	f.BoolVar(&c.join, "join", false, "start empty and wait to be added to a cluster that runs")
	f.StringVar(&c.rpcListen, "rpc-listen", "", "`host:port` for the other nodes (default own entry of --peers)")
	f.StringVar(&c.rpcAdvertise, "rpc-advertise", "", "`host:port` where other nodes dial this one unless their --peers says (default what --rpc-listen got)")
	f.StringVar(&c.httpListen, "http-listen", "", "`host:port` for clients (default --rpc-listen with port + 1000)")
	f.StringVar(&c.httpAdvertise, "http-advertise", "", "`host:port` that redirects name (default what --http-listen got)")
	f.StringVar(&c.storage.Dir, "data-dir", "", "`directory` of the durable log (default ./ID.raft)")
	f.StringVar(&c.storage.ClusterID, "cluster-id", "", "`name` of the cluster (default what --data-dir holds, in a new one a hash of the first voters' names)")
	f.DurationVar(&c.raft.HeartbeatInterval, "heartbeat-interval", c.raft.HeartbeatInterval, "least `gap` between heartbeats to one peer")
	f.DurationVar(&c.raft.ElectionTimeout, "election-timeout", c.raft.ElectionTimeout, "`T`: time-outs are drawn from T to 2T; at least 3 heartbeat intervals")
	f.DurationVar(&c.raft.RPCTimeout, "rpc-timeout", c.raft.RPCTimeout, "`time` for one call to a peer, its size aside")
	f.IntVar(&c.raft.MaxBatch, "max-batch", c.raft.MaxBatch, "most `entries` in one AppendEntries")
	f.Var(size{&c.raft.MaxBatchBytes}, "max-batch-bytes", "most bytes of entries in one AppendEntries, unless one alone has more")
	f.IntVar(&c.raft.MaxInflight, "max-inflight", c.raft.MaxInflight, "`requests` with entries outstanding per peer")
	f.Var(size{&c.raft.MaxInflightBytes}, "max-inflight-bytes", "bytes of entries outstanding per peer, unless one request alone has more")
	f.IntVar(&c.raft.MaxPending, "max-pending", c.raft.MaxPending, "`writes` that may wait for a majority; more are refused")
	f.Var(size{&c.raft.MaxPendingBytes}, "max-pending-bytes", "bytes of writes that may wait for a majority, unless one alone has more")
	f.Var(size{&c.kv.MaxKeyBytes}, "max-key-bytes", "longest key")
	f.Var(size{&c.kv.MaxValueBytes}, "max-value-bytes", "longest value, and longest body of a request")
	f.Var(size{&c.limits.MaxFrameBytes}, "max-frame-bytes", "longest message between nodes")
	f.IntVar(&c.raft.SnapshotEntries, "snapshot-entries", c.raft.SnapshotEntries, "`entries` applied since the last snapshot that call for the next; 0: only POST /v1/snapshot takes one")
	f.IntVar(&c.raft.SnapshotKeep, "snapshot-keep", c.raft.SnapshotKeep, "`entries` kept in the log below a snapshot, for followers that are a little behind")
	f.DurationVar(&c.kv.SessionTTL, "session-ttl", c.kv.SessionTTL, "`time` without a write, by the log's clock, until a session expires")
	f.BoolVar(&c.preVote, "pre-vote", c.preVote, "ask whether an election could be won before starting it")
	f.BoolVar(&c.checkQuorum, "check-quorum", c.checkQuorum, "step down when no majority answers for an election time-out")
	f.StringVar(&c.readMode, "read-mode", c.readMode, "how a leader makes sure that it still leads, before a read: `mode` read-index (ask a majority) or lease (trust clocks)")
	f.StringVar(&c.logLevel, "log-level", c.logLevel, "least `level` logged: debug, info, warn or error")
	f.StringVar(&c.logFormat, "log-format", c.logFormat, "`format` of the log: text or json")
	f.StringVar(&c.eventLog, "event-log", "", "append what happens in Raft to `file`, as JSON lines")
	f.BoolVar(&c.printConfig, "print-config", false, "print the settings in force, each with its source, and exit")
	f.BoolVar(&c.version, "version", false, "print the version and exit")
	c.bindMutant(f)
	f.SetOutput(io.Discard)
	return f
}

// envPrefix begins the name of every environment variable that is a setting.
const envPrefix = "RAFTNODE_"

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// parse reads the settings: a flag wins over the environment, that over the default. It reports every
// fault of the environment, and the first of the command line.
func (c *config) parse(args, environ []string) (*pflag.FlagSet, error) {
	f := c.flagSet()
	if err := f.Parse(args); err != nil {
		return f, err
	}
	var faults []error
	if f.NArg() > 0 {
		faults = append(faults, fmt.Errorf("argument %q is not known: settings are flags, see --help", f.Arg(0)))
	}
	given := map[string]string{}
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, envPrefix) {
			given[name] = value
		}
	}
	f.VisitAll(func(flag *pflag.Flag) {
		name := envName(flag.Name)
		value, inEnv := given[name]
		delete(given, name)
		switch {
		case flag.Changed:
			c.sources[flag.Name] = "flag"
		case inEnv:
			c.sources[flag.Name] = "env " + name
			if err := flag.Value.Set(value); err != nil {
				faults = append(faults, fmt.Errorf("%s=%q: %w", name, value, err))
			}
		default:
			c.sources[flag.Name] = "default"
		}
	})
	for _, name := range slices.Sorted(maps.Keys(given)) {
		faults = append(faults, fmt.Errorf("%s is no setting: unset it; --help lists the flags, and RAFTNODE_ID stands for --id", name))
	}
	return f, errors.Join(faults...)
}

// set gives a flag a value that follows from others.
func (c *config) set(f *pflag.FlagSet, name, value, source string) error {
	c.sources[name] = source
	return f.Lookup(name).Value.Set(value)
}
