package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"whitewater/pkg/kv"
)

const (
	// politeInterval is the least heartbeat interval that keeps to ten heartbeats a second.
	politeInterval = 100 * time.Millisecond
	// maxTimer and maxSessionTTL are far above what makes sense, and far below where sums overflow.
	maxTimer      = time.Hour
	maxSessionTTL = 10 * 365 * 24 * time.Hour
	// maxMaxBatch keeps a full AppendEntries under the frame's limit of 65,536 values.
	maxMaxBatch = 4096
	// frameOverhead is room in a frame for everything but keys and values.
	frameOverhead = 64 << 10
)

// load reads, derives and checks the settings, and reports every fault it can see at once.
func load(args, environ []string) (*config, *pflag.FlagSet, error) {
	c := defaults()
	f, err := c.parse(args, environ)
	if errors.Is(err, pflag.ErrHelp) || c.version {
		return c, f, err
	}
	if err != nil {
		return c, f, err
	}
	err = errors.Join(c.derive(f), c.validate(), c.applyMutant())
	c.raft.DisablePreVote, c.raft.DisableCheckQuorum, c.raft.LeaseReads = !c.preVote, !c.checkQuorum, c.readMode == leaseMode
	return c, f, err
}

// validate checks the settings together: flag, value, rule, mend.
func (c *config) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, d := range []struct {
		flag         string
		value, least time.Duration
		most         time.Duration
	}{
		{"--heartbeat-interval", c.raft.HeartbeatInterval, time.Millisecond, maxTimer},
		{"--election-timeout", c.raft.ElectionTimeout, time.Millisecond, maxTimer},
		{"--rpc-timeout", c.raft.RPCTimeout, time.Millisecond, maxTimer},
		{"--session-ttl", c.kv.SessionTTL, time.Second, maxSessionTTL},
	} {
		switch {
		case d.value < d.least:
			fault("%s %v must be at least %v: raise it", d.flag, d.value, d.least)
		case d.value > d.most:
			fault("%s %v must be at most %v: lower it", d.flag, d.value, d.most)
		}
	}
	if least := 3 * c.raft.HeartbeatInterval; c.raft.HeartbeatInterval <= maxTimer && c.raft.ElectionTimeout < least {
		fault("--election-timeout %v must be at least 3 × --heartbeat-interval (%v): raise it to %v, or lower --heartbeat-interval to %v",
			c.raft.ElectionTimeout, c.raft.HeartbeatInterval, least, (c.raft.ElectionTimeout / 3).Truncate(time.Millisecond))
	}
	for _, n := range []struct {
		flag               string
		value, least, most int
	}{
		{"--max-batch", c.raft.MaxBatch, 1, maxMaxBatch},
		{"--max-batch-bytes", c.raft.MaxBatchBytes, 1, 1 << 30},
		{"--max-inflight", c.raft.MaxInflight, 1, 1024},
		{"--max-inflight-bytes", c.raft.MaxInflightBytes, 1, 1 << 40},
		{"--max-pending-bytes", c.raft.MaxPendingBytes, 1, 1 << 40},
		{"--max-pending", c.raft.MaxPending, 1, 1 << 20},
		{"--max-key-bytes", c.kv.MaxKeyBytes, 1, kv.MaxKeyBytes},
		{"--max-value-bytes", c.kv.MaxValueBytes, 1, kv.MaxValueBytes},
		{"--max-frame-bytes", c.limits.MaxFrameBytes, 1, 1 << 31},
		{"--snapshot-entries", c.raft.SnapshotEntries, 0, 1 << 30},
		{"--snapshot-keep", c.raft.SnapshotKeep, 0, 1 << 30},
	} {
		if n.value < n.least || n.value > n.most {
			fault("%s %d must be from %d to %d", n.flag, n.value, n.least, n.most)
		}
	}
	if need := max(c.raft.MaxBatchBytes, c.kv.MaxKeyBytes+c.kv.MaxValueBytes, c.raft.SnapshotChunkBytes) + frameOverhead; c.limits.MaxFrameBytes < need {
		fault("--max-frame-bytes %d must be at least %d, for a batch of --max-batch-bytes, an entry of --max-key-bytes and --max-value-bytes, and 256KiB of a snapshot: raise it, or lower those",
			c.limits.MaxFrameBytes, need)
	}
	faults = append(faults, c.validateTexts())
	return errors.Join(faults...)
}

func (c *config) validateTexts() error {
	var faults []error
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		faults = append(faults, fmt.Errorf("--log-level %q must be debug, info, warn or error", c.logLevel))
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		faults = append(faults, fmt.Errorf("--log-format %q must be text or json", c.logFormat))
	}
	switch {
	case c.readMode != readIndexMode && c.readMode != leaseMode:
		faults = append(faults, fmt.Errorf("--read-mode %q must be %s or %s", c.readMode, readIndexMode, leaseMode))
	case c.readMode == leaseMode && !c.checkQuorum:
		faults = append(faults, errors.New("--read-mode lease rests on --check-quorum, which is off: turn it on, or read by --read-mode read-index"))
	}
	if id := c.storage.ClusterID; len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		faults = append(faults, fmt.Errorf("--cluster-id %q must be up to 128 visible ASCII characters", id))
	}
	if _, port, err := splitAddress(c.rpcListen); err == nil && port != 0 && c.rpcListen == c.httpListen {
		faults = append(faults, fmt.Errorf("--rpc-listen and --http-listen are both %s: give each a port of its own", c.rpcListen))
	}
	if inside(c.storage.Dir, c.eventLog) {
		faults = append(faults, fmt.Errorf("--event-log %s is inside --data-dir %s, whose files are the node's alone: put it elsewhere", c.eventLog, c.storage.Dir))
	}
	return errors.Join(append(faults, advertisable("http", c.httpListen, c.httpAdvertise, "clients"),
		advertisable("rpc", c.rpcListen, c.rpcAdvertise, "other nodes"))...)
}

// maxAddress bounds an advertised address: the log carries it.
const maxAddress = 256

// advertisable refuses an address that says nothing to those who are told it.
func advertisable(server, listen, advertise, whom string) error {
	if advertise != "" {
		if host, port, err := splitAddress(advertise); err != nil || unspecified(host) || port == 0 || len(advertise) > maxAddress || !utf8.ValidString(advertise) {
			return fmt.Errorf("--%s-advertise %.80q must be a host:port of at most %d bytes that %s can reach", server, advertise, maxAddress, whom)
		}
		return nil
	}
	if host, _, err := splitAddress(listen); err == nil && unspecified(host) {
		return fmt.Errorf("--%s-listen %s names no host that %s can reach: add --%s-advertise host:port", server, listen, whom, server)
	}
	return nil
}

// inside reports whether a file, if any is named, lies in a directory or below it.
func inside(dir, file string) bool {
	if file == "" {
		return false
	}
	root, rootErr := filepath.Abs(dir)
	path, pathErr := filepath.Abs(file)
	return rootErr == nil && pathErr == nil && (path == root || strings.HasPrefix(path, root+string(filepath.Separator)))
}

// unspecified reports whether a listener on host accepts on every address.
func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// warnings are what starts all the same.
func (c *config) warnings() []string {
	if c.raft.HeartbeatInterval >= politeInterval {
		return nil
	}
	return []string{fmt.Sprintf("--heartbeat-interval %v is under %v: each peer may get more than ten heartbeats in a second",
		c.raft.HeartbeatInterval, politeInterval)}
}
