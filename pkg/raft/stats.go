package raft

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"whitewater/pkg/raft/protocol"
)

// pair is two label values.
type pair [2]string

// stats is what the metrics tell beside the protocol's own state. Replica.mu guards it, so that one snapshot
// of both is consistent.
type stats struct {
	electionsStarted  map[pair]uint64 // kind, reason
	electionsFinished map[pair]uint64 // kind, outcome
	votes             map[pair]uint64 // kind, decision
	stepdowns         map[string]uint64
	leaderChanges     uint64
	lastWon           protocol.Term
	leaderless        time.Duration
	leaderlessSince   time.Time // zero while a leader is known

	peers              map[protocol.NodeID]*peerStats
	heartbeatsReceived uint64
	appendsReceived    map[string]uint64 // result

	proposals     map[string]uint64 // result
	proposalsLost map[string]uint64 // reason
	proposedAt    []stamp           // this leader's own, not yet committed
	committedAt   []stamp           // last index of each commit not yet applied
	appliedKinds  map[string]uint64
	reads         map[pair]uint64 // mode, result
	busy          map[string]time.Duration

	snapshotsCreated   map[string]uint64 // result
	snapshotsInstalled uint64
	snapshotBytes      map[string]uint64 // direction

	electionSeconds, commitSeconds, applySeconds, readSeconds prometheus.Histogram
	createSeconds, installSeconds                             prometheus.Histogram
	applyEntries, batchEntries, batchBytes                    prometheus.Histogram
	lateness                                                  *prometheus.HistogramVec
}

// stamp is when an index got somewhere.
type stamp struct {
	index protocol.Index
	at    time.Time
}

// peerStats counts what is sent to one peer.
type peerStats struct {
	heartbeats, suppressed, appends, entries, bytes, snapshots uint64

	replies      map[string]uint64 // result
	recent       []time.Time       // of the last heartbeats, oldest first
	perSecondMax int
}

// ring is how many send times of heartbeats are remembered.
const ring = 64

func newStats(now time.Time) stats {
	s := stats{
		electionsStarted: map[pair]uint64{}, electionsFinished: map[pair]uint64{}, votes: map[pair]uint64{},
		stepdowns: map[string]uint64{}, leaderlessSince: now,
		peers: map[protocol.NodeID]*peerStats{}, appendsReceived: map[string]uint64{},
		proposals: map[string]uint64{}, proposalsLost: map[string]uint64{}, appliedKinds: map[string]uint64{},
		reads: map[pair]uint64{}, busy: map[string]time.Duration{},
		snapshotsCreated: map[string]uint64{}, snapshotBytes: map[string]uint64{},
	}
	s.initHistograms()
	return s
}

func (s *stats) peer(id protocol.NodeID) *peerStats {
	p := s.peers[id]
	if p == nil {
		p = &peerStats{replies: map[string]uint64{}}
		s.peers[id] = p
	}
	return p
}

// forget drops what was counted for a peer that is no member any more: its series end with it.
func (s *stats) forget(id protocol.NodeID) { delete(s.peers, id) }

func kindOf(preVote bool) string {
	if preVote {
		return "pre_vote"
	}
	return "vote"
}

// observe counts an event of the protocol.
func (s *stats) observe(now time.Time, e protocol.Event) {
	switch e := e.(type) {
	case protocol.ElectionStarted:
		s.electionsStarted[pair{kindOf(e.PreVote), e.Reason}]++
	case protocol.ElectionFinished:
		s.electionsFinished[pair{kindOf(e.PreVote), e.Outcome}]++
		if !e.PreVote && e.Outcome == "won" {
			s.electionSeconds.Observe(e.Took.Seconds())
		}
	case protocol.VoteDecided:
		s.votes[pair{kindOf(e.PreVote), string(e.Decision)}]++
	case protocol.RoleChanged:
		s.roleChanged(e)
	case protocol.LeaderChanged:
		s.leaderChanged(now, e)
	case protocol.EntriesCommitted:
		s.committed(now, e)
	case protocol.SnapshotSent:
		s.peer(e.Peer).snapshots++
	case protocol.SnapshotInstalled:
		s.snapshotsInstalled++
	case protocol.HeartbeatMerged:
		s.peer(e.Peer).suppressed++
	}
}

func (s *stats) roleChanged(e protocol.RoleChanged) {
	if e.To == protocol.Leader {
		s.lastWon = e.Term
	}
	if e.From == protocol.Leader {
		s.stepdowns[string(e.Trigger)]++
		s.proposalsLost["leadership_lost"] += uint64(len(s.proposedAt))
		s.proposedAt = nil
	}
}

func (s *stats) leaderChanged(now time.Time, e protocol.LeaderChanged) {
	switch {
	case e.Leader == "":
		s.leaderlessSince = now
	case !s.leaderlessSince.IsZero():
		s.leaderless += now.Sub(s.leaderlessSince)
		s.leaderlessSince = time.Time{}
	}
	if e.Leader != "" {
		s.leaderChanges++
	}
}

func (s *stats) committed(now time.Time, e protocol.EntriesCommitted) {
	last := e.Entries[len(e.Entries)-1].Index
	s.committedAt = append(s.committedAt, stamp{last, now})
	done := 0
	for done < len(s.proposedAt) && s.proposedAt[done].index <= last {
		s.commitSeconds.Observe(now.Sub(s.proposedAt[done].at).Seconds())
		done++
	}
	s.proposedAt = s.proposedAt[done:]
}

func (s *stats) proposed(position protocol.Position, refusal error, now time.Time) {
	switch {
	case refusal == nil:
		s.proposals["accepted"]++
		s.proposedAt = append(s.proposedAt, stamp{position.Index, now})
	case errors.Is(refusal, ErrOverloaded):
		s.proposals["overloaded"]++
	default:
		s.proposals["not_leader"]++
	}
}

func (s *stats) applied(entries []protocol.Entry, now time.Time) {
	for _, e := range entries {
		s.appliedKinds[e.Kind.String()]++
	}
	s.applyEntries.Observe(float64(len(entries)))
	last := entries[len(entries)-1].Index
	done := 0
	for done < len(s.committedAt) && s.committedAt[done].index <= last {
		s.applySeconds.Observe(now.Sub(s.committedAt[done].at).Seconds())
		done++
	}
	s.committedAt = s.committedAt[done:]
}

func (s *stats) readEnded(read protocol.ReadResult, took time.Duration) {
	mode, result := "read_index", "ok"
	if read.Lease {
		mode = "lease"
	}
	switch {
	case read.Err == nil:
		s.readSeconds.Observe(took.Seconds())
	case errors.Is(read.Err, ErrNotLeader), errors.Is(read.Err, ErrNoLeader):
		result = "not_leader"
	default:
		result = "timeout"
	}
	s.reads[pair{mode, result}]++
}

func (s *stats) snapshotSaved(err error, took time.Duration) {
	if err != nil {
		s.snapshotsCreated["error"]++
		return
	}
	s.snapshotsCreated["ok"]++
	s.createSeconds.Observe(took.Seconds())
}

func (s *stats) snapshotRestored(meta protocol.SnapshotMeta, took time.Duration) {
	s.installSeconds.Observe(took.Seconds())
	s.committedAt = slices.DeleteFunc(s.committedAt, func(c stamp) bool { return c.index <= meta.Index })
}

func (s *stats) chunkReceived(size int) { s.snapshotBytes["received"] += uint64(size) }

// sending counts a request when it is handed on.
func (s *stats) sending(m protocol.Message) {
	request, ok := m.Body.(protocol.AppendEntriesRequest)
	if !ok || len(request.Entries) == 0 {
		return
	}
	size := protocol.DataBytes(request.Entries)
	p := s.peer(m.To)
	p.appends++
	p.entries += uint64(len(request.Entries))
	p.bytes += uint64(size)
	s.batchEntries.Observe(float64(len(request.Entries)))
	s.batchBytes.Observe(float64(size))
}

// heartbeatSent counts a heartbeat that has left, and the most that left within one second.
func (s *stats) heartbeatSent(to protocol.NodeID, now time.Time) {
	p := s.peer(to)
	p.heartbeats++
	p.recent = append(p.recent, now)
	if len(p.recent) > ring {
		p.recent = slices.Delete(p.recent, 0, 1)
	}
	first := slices.IndexFunc(p.recent, func(at time.Time) bool { return now.Sub(at) < time.Second })
	p.perSecondMax = max(p.perSecondMax, len(p.recent)-first)
}

// replied counts how a request of this node ended.
func (s *stats) replied(m protocol.Message, reply protocol.Body, err error) {
	if _, ok := m.Body.(protocol.AppendEntriesRequest); !ok {
		return
	}
	result := "error"
	if answer, ok := reply.(protocol.AppendEntriesReply); ok && err == nil {
		result = resultOf(answer)
	}
	s.peer(m.To).replies[result]++
}

func resultOf(reply protocol.AppendEntriesReply) string {
	switch {
	case reply.Success:
		return "ok"
	case reply.ConflictIndex > 0:
		return "log_mismatch"
	}
	return "stale_term"
}

func (s *stats) received(request protocol.Body) {
	if isHeartbeat(request) {
		s.heartbeatsReceived++
	}
}

// replying counts what this node answers.
func (s *stats) replying(reply protocol.Body) {
	if answer, ok := reply.(protocol.AppendEntriesReply); ok {
		s.appendsReceived[resultOf(answer)]++
	}
}

func (s *stats) late(timer string, by time.Duration) {
	s.lateness.WithLabelValues(timer).Observe(max(0, by).Seconds())
}
