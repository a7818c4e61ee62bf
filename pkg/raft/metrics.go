package raft

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/raft/protocol"
)

// The closed sets of label values: every series exists from the first scrape on.
var (
	electionKinds    = []string{"pre_vote", "vote"}
	electionReasons  = []string{"timeout", "leader_lost", "transfer"}
	electionOutcomes = []string{"won", "lost", "superseded", "timed_out"}
	voteDecisions    = []string{"granted", "stale_term", "already_voted", "log_behind", "leader_alive", "not_member"}
	stepdownReasons  = []string{"higher_term", "quorum_lost", "removed"}
	replyResults     = []string{"ok", "log_mismatch", "stale_term", "error"}
	receivedResults  = []string{"ok", "log_mismatch", "stale_term"}
	proposalResults  = []string{"accepted", "not_leader", "overloaded", "too_large"}
	lostReasons      = []string{"leadership_lost"}
	entryKinds       = []string{"command", "noop", "configuration"}
	readModes        = []string{"read_index", "lease"}
	readResults      = []string{"ok", "not_leader", "timeout"}
	peerStates       = []protocol.PeerState{protocol.Probe, protocol.Replicate, protocol.Install}
	snapshotResults  = []string{"ok", "error"}
	directions       = []string{"sent", "received"}
	busyLoops        = []string{"apply", "disk", "lock", "replicate"}
	timers           = []string{"election", "heartbeat"}
	queues           = []string{"apply", "disk", "proposals", "reads"}
)

// LatencyBuckets reach from a fast disk's fsync to a stuck cluster, in seconds.
func LatencyBuckets() []float64 {
	return []float64{
		0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
	}
}

func (s *stats) initHistograms() {
	latency := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: LatencyBuckets()})
	}
	native := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: LatencyBuckets(),
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
		})
	}
	counts := func(name, help string, start, factor float64, count int) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(start, factor, count),
		})
	}
	s.electionSeconds = latency("raft_election_duration_seconds", "Time from the start of a campaign to winning it.")
	s.commitSeconds = native("raft_commit_latency_seconds", "Time from a proposal to its commit, on the leader that took it.")
	s.applySeconds = native("raft_apply_latency_seconds", "Time from knowing of a commit to having applied it.")
	s.readSeconds = latency("raft_read_index_duration_seconds", "Time from a linearizable read's start to its read index.")
	s.createSeconds = latency("raft_snapshot_create_duration_seconds", "Time from taking a view of the state to a durable snapshot of it.")
	s.installSeconds = latency("raft_snapshot_install_duration_seconds", "Time to restore the state machine from a snapshot.")
	s.applyEntries = counts("raft_apply_batch_entries", "Entries handed to the state machine at a time.", 1, 4, 7)
	s.batchEntries = counts("raft_append_batch_entries", "Entries per AppendEntries that has any.", 1, 4, 7)
	s.batchBytes = counts("raft_append_batch_bytes", "Bytes of data per AppendEntries with entries.", 64, 8, 8)
	s.lateness = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "raft_timer_lateness_seconds", Help: "Time from when a timer was due to when it was served.", Buckets: LatencyBuckets(),
	}, []string{"timer"})
	for _, timer := range timers {
		s.lateness.WithLabelValues(timer)
	}
}

// registerMetrics makes the replica's metrics visible. All but the histograms come from one collector that takes
// the mutex once, so that a scrape never shows what never was.
func registerMetrics(registry prometheus.Registerer, r *Replica) error {
	s := &r.stats
	for _, c := range []prometheus.Collector{
		s.electionSeconds, s.commitSeconds, s.applySeconds, s.readSeconds, s.createSeconds, s.installSeconds,
		s.applyEntries, s.batchEntries, s.batchBytes, s.lateness, newCollector(r),
	} {
		if err := registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// collector reads the replica when it is scraped.
type collector struct {
	r     *Replica
	descs map[string]*prometheus.Desc
}

// collected lists the collector's metrics: name, help, labels.
var collected = []struct {
	name, help string
	labels     []string
}{
	{"raft_monotonic_seconds", "The node's monotonic clock since the replica started, read together with all other raft metrics.", nil},
	{"raft_term", "Current term.", nil},
	{"raft_last_won_term", "Term of the last election that this process won; 0: none.", nil},
	{"raft_role", "1 for the role that the node has, else 0; learner: a follower that does not vote.", []string{"role"}},
	{"raft_known_leader", "1 for the member that this node takes for the leader, else 0.", []string{"leader"}},
	{"raft_members", "Members of the cluster by their part in its majorities.", []string{"suffrage"}},
	{"raft_first_log_index", "Index of the first entry in the log; 0: the log is empty.", nil},
	{"raft_last_log_index", "Index of the last entry in the log.", nil},
	{"raft_durable_log_index", "Index up to which the log is on disk.", nil},
	{"raft_commit_index", "Highest index known to be committed.", nil},
	{"raft_applied_index", "Highest index that the state machine has executed.", nil},
	{"raft_snapshot_index", "Index up to which the newest snapshot reaches; 0: none.", nil},
	{"raft_snapshot_size_bytes", "Size of the newest snapshot.", nil},
	{"raft_snapshots_created_total", "Snapshots of this node's own state.", []string{"result"}},
	{"raft_snapshots_sent_total", "Snapshots sent to followers.", []string{"peer", "result"}},
	{"raft_snapshots_installed_total", "Leaders' snapshots that took the place of the log.", []string{"result"}},
	{"raft_snapshot_transfer_bytes_total", "Bytes of snapshots' data sent and received.", []string{"direction"}},
	{"raft_elections_started_total", "Campaigns and pre-votes begun.", []string{"kind", "reason"}},
	{"raft_elections_finished_total", "Campaigns and pre-votes ended.", []string{"kind", "outcome"}},
	{"raft_leader_changes_total", "Leaders that this node came to know.", nil},
	{"raft_stepdowns_total", "Times that this node gave up leading.", []string{"reason"}},
	{"raft_votes_total", "Vote requests decided.", []string{"kind", "decision"}},
	{"raft_leaderless_seconds_total", "Time in which this node knew no leader.", nil},
	{"raft_leader_contact_age_seconds", "Time since the last accepted message of a leader; 0 on the leader.", nil},
	{"raft_quorum_contact_age_seconds", "On the leader, time since a majority last answered; 0 elsewhere.", nil},
	{"raft_heartbeats_sent_total", "Heartbeats (AppendEntries without entries) whose frame has left.", []string{"peer"}},
	{"raft_heartbeats_per_second_max", "Most heartbeats to one peer within any second since the start; at most 64.", []string{"peer"}},
	{"raft_heartbeats_suppressed_total", "Heartbeats that were wanted and merged into the next by pacing.", []string{"peer"}},
	{"raft_heartbeats_received_total", "Heartbeats received.", nil},
	{"raft_append_entries_sent_total", "AppendEntries with entries sent.", []string{"peer"}},
	{"raft_append_entries_replies_total", "How AppendEntries, heartbeats too, ended.", []string{"peer", "result"}},
	{"raft_append_entries_received_total", "Answers given to AppendEntries, heartbeats too.", []string{"result"}},
	{"raft_entries_sent_total", "Entries sent, repeats included.", []string{"peer"}},
	{"raft_entry_bytes_sent_total", "Bytes of entries' data sent, repeats included.", []string{"peer"}},
	{"raft_peer_match_index", "On the leader, the index up to which the peer's log is known to match.", []string{"peer"}},
	{"raft_peer_inflight_requests", "On the leader, requests to the peer without an answer yet.", []string{"peer"}},
	{"raft_peer_contact_age_seconds", "On the leader, time since the peer last answered.", []string{"peer"}},
	{"raft_peer_state", "On the leader, 1 for how the peer is replicated to, else 0.", []string{"peer", "state"}},
	{"raft_proposals_total", "Proposals by what became of them at once.", []string{"result"}},
	{"raft_proposals_lost_total", "Proposals accepted whose outcome this node did not learn as their leader.", []string{"reason"}},
	{"raft_proposals_pending", "Proposals accepted and not yet committed.", nil},
	{"raft_applied_entries_total", "Entries applied.", []string{"type"}},
	{"raft_reads_total", "Linearizable reads.", []string{"mode", "result"}},
	{"raft_queue_length", "Work that waits.", []string{"queue"}},
	{"raft_queue_capacity", "Work that may wait; 0: no bound of its own.", []string{"queue"}},
	{"raft_busy_seconds_total", "Time that a loop worked, or that callers waited for the lock.", []string{"loop"}},
	{"raft_node_info", "The node's own view of its name.", []string{"node_id"}},
}

func newCollector(r *Replica) *collector {
	c := &collector{r: r, descs: make(map[string]*prometheus.Desc, len(collected))}
	for _, m := range collected {
		c.descs[m.name] = prometheus.NewDesc(m.name, m.help, m.labels, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		out <- desc
	}
}

// Collect implements prometheus.Collector. It gathers under the mutex and hands over after.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := &scrape{descs: c.descs}
	c.r.mu.Lock()
	s.now = time.Now()
	s.take(c.r)
	c.r.mu.Unlock()
	for _, m := range s.metrics {
		out <- m
	}
}

// scrape is one reading of all values.
type scrape struct {
	descs   map[string]*prometheus.Desc
	now     time.Time
	metrics []prometheus.Metric
}

func (s *scrape) gauge(name string, value float64, labels ...string) {
	s.metrics = append(s.metrics, prometheus.MustNewConstMetric(s.descs[name], prometheus.GaugeValue, value, labels...))
}

func (s *scrape) counter(name string, value float64, labels ...string) {
	s.metrics = append(s.metrics, prometheus.MustNewConstMetric(s.descs[name], prometheus.CounterValue, value, labels...))
}

func (s *scrape) counters(name string, values map[string]uint64, labels []string) {
	for _, label := range labels {
		s.counter(name, float64(values[label]), label)
	}
}

func (s *scrape) pairs(name string, values map[pair]uint64, first, second []string) {
	for _, a := range first {
		for _, b := range second {
			s.counter(name, float64(values[pair{a, b}]), a, b)
		}
	}
}

func (s *scrape) state(name string, set bool, labels ...string) {
	value := 0.0
	if set {
		value = 1
	}
	s.gauge(name, value, labels...)
}

// age is how long ago at was; 0 for never.
func (s *scrape) age(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return s.now.Sub(at).Seconds()
}

func (s *scrape) take(r *Replica) {
	status := r.node.Status()
	s.takeState(r, status)
	s.takeElections(&r.stats, status)
	s.takeReplication(r, status)
	s.takeWork(r, status)
}

func (s *scrape) takeState(r *Replica, status Status) {
	s.gauge("raft_node_info", 1, string(status.ID))
	s.gauge("raft_monotonic_seconds", s.now.Sub(r.start).Seconds())
	s.gauge("raft_term", float64(status.Term))
	s.gauge("raft_last_won_term", float64(r.stats.lastWon))
	learner := status.Role == protocol.Follower && !status.Configuration.Votes(status.ID)
	for role := protocol.Follower; role <= protocol.Leader; role++ {
		s.state("raft_role", role == status.Role && !learner, role.String())
	}
	s.state("raft_role", learner, "learner")
	for _, member := range status.Configuration.IDs() {
		s.state("raft_known_leader", member == status.Leader, string(member))
	}
	count := map[protocol.Suffrage]int{}
	for _, member := range status.Configuration.Members {
		count[member.Suffrage]++
	}
	for _, suffrage := range []protocol.Suffrage{protocol.Voter, protocol.Learner, protocol.Joining, protocol.Leaving} {
		s.gauge("raft_members", float64(count[suffrage]), string(suffrage))
	}
	first := status.FirstIndex
	if first > status.LastIndex {
		first = 0
	}
	s.gauge("raft_first_log_index", float64(first))
	s.gauge("raft_snapshot_index", float64(status.Snapshot.Index))
	s.gauge("raft_snapshot_size_bytes", float64(status.Snapshot.Size))
	s.gauge("raft_last_log_index", float64(status.LastIndex))
	s.gauge("raft_durable_log_index", float64(status.DurableIndex))
	s.gauge("raft_commit_index", float64(status.CommitIndex))
	s.gauge("raft_applied_index", float64(status.AppliedIndex))
}

func (s *scrape) takeElections(st *stats, status Status) {
	s.pairs("raft_elections_started_total", st.electionsStarted, electionKinds, electionReasons)
	s.pairs("raft_elections_finished_total", st.electionsFinished, electionKinds, electionOutcomes)
	s.pairs("raft_votes_total", st.votes, electionKinds, voteDecisions)
	s.counters("raft_stepdowns_total", st.stepdowns, stepdownReasons)
	s.counter("raft_leader_changes_total", float64(st.leaderChanges))
	s.counter("raft_leaderless_seconds_total", st.leaderless.Seconds()+s.age(st.leaderlessSince))
	leads := status.Role == protocol.Leader
	contact := s.age(status.Heard)
	if leads {
		contact = 0
	}
	s.gauge("raft_leader_contact_age_seconds", contact)
	s.gauge("raft_quorum_contact_age_seconds", s.age(status.QuorumHeard))
}

func (s *scrape) takeReplication(r *Replica, status Status) {
	st := &r.stats
	for id := range r.peers {
		peer, p := string(id), st.peer(id)
		s.counter("raft_heartbeats_sent_total", float64(p.heartbeats), peer)
		s.gauge("raft_heartbeats_per_second_max", float64(p.perSecondMax), peer)
		s.counter("raft_heartbeats_suppressed_total", float64(p.suppressed), peer)
		s.counter("raft_append_entries_sent_total", float64(p.appends), peer)
		s.counter("raft_entries_sent_total", float64(p.entries), peer)
		s.counter("raft_entry_bytes_sent_total", float64(p.bytes), peer)
		s.counter("raft_snapshots_sent_total", float64(p.snapshots), peer, "ok")
		for _, result := range replyResults {
			s.counter("raft_append_entries_replies_total", float64(p.replies[result]), peer, result)
		}
	}
	for id, p := range status.Peers {
		peer := string(id)
		s.gauge("raft_peer_match_index", float64(p.MatchIndex), peer)
		s.gauge("raft_peer_inflight_requests", float64(p.Inflight), peer)
		s.gauge("raft_peer_contact_age_seconds", s.age(p.Contact), peer)
		for _, state := range peerStates {
			s.state("raft_peer_state", p.State == state, peer, string(state))
		}
	}
	s.counters("raft_snapshots_created_total", st.snapshotsCreated, snapshotResults)
	s.counter("raft_snapshots_installed_total", float64(st.snapshotsInstalled), "ok")
	s.counters("raft_snapshot_transfer_bytes_total", st.snapshotBytes, directions)
	s.counter("raft_heartbeats_received_total", float64(st.heartbeatsReceived))
	s.counters("raft_append_entries_received_total", st.appendsReceived, receivedResults)
}

func (s *scrape) takeWork(r *Replica, status Status) {
	st := &r.stats
	s.counters("raft_proposals_total", st.proposals, proposalResults)
	s.counters("raft_proposals_lost_total", st.proposalsLost, lostReasons)
	s.gauge("raft_proposals_pending", float64(len(st.proposedAt)))
	s.counters("raft_applied_entries_total", st.appliedKinds, entryKinds)
	s.pairs("raft_reads_total", st.reads, readModes, readResults)
	lengths := map[string]int{
		"apply": int(min(status.CommitIndex, status.DurableIndex) - min(status.AppliedIndex, status.DurableIndex)),
		"disk":  len(r.unsaved), "proposals": len(st.proposedAt), "reads": len(r.reads),
	}
	capacities := map[string]int{"proposals": r.opts.MaxPending}
	for _, queue := range queues {
		s.gauge("raft_queue_length", float64(lengths[queue]), queue)
		s.gauge("raft_queue_capacity", float64(capacities[queue]), queue)
	}
	for _, loop := range busyLoops {
		s.counter("raft_busy_seconds_total", st.busy[loop].Seconds(), loop)
	}
}
