package sim

import (
	"errors"
	"testing"
	"time"

	"whitewater/pkg/raft/protocol"
)

// staged makes a breach of what is done to a cluster that has run until a moment.
func staged(until time.Duration, spoil func(*run)) func(*testing.T) *Failure {
	return func(t *testing.T) *Failure {
		r := stage(t, quiet(), until)
		spoil(r)
		return r.failure
	}
}

// back gives a node the state it had before change, which the oracle is shown as a step.
func back(r *run, s *server, change func()) {
	past := *s.Node
	change()
	before := s.Checkpoint()
	s.Node = &past
	r.oracle.stepped(s, before)
}

// figureBreaches break the properties of Figure 3.
func figureBreaches() []breach {
	return []breach{
		{ElectionSafety, "two leaders of a term", staged(0, func(r *run) {
			r.oracle.takesOffice(r.servers[0], 7)
			r.oracle.takesOffice(r.servers[1], 7)
		}), []string{"n1 and n2 both lead term 7"}},
		{LeaderAppendOnly, "a leader's log grows shorter", staged(4*time.Second, func(r *run) {
			s := r.leader()
			back(r, s, func() { _, _, _ = s.Propose(r.time(), []byte("{}")) })
		}), []string{"n", ": entry 1.", " is gone"}},
		{LogMatching, "two entries at one position", staged(4*time.Second, func(r *run) {
			r.oracle.issued(follower(r), protocol.Persist{Entries: []protocol.Entry{{Index: 3, Term: 1, Data: []byte("other")}}})
		}), []string{"n", "another entry 1.3"}},
		{LeaderCompleteness, "a leader without a committed entry", staged(4*time.Second, func(r *run) {
			r.oracle.committed = append(r.oracle.committed, protocol.Entry{Index: protocol.Index(len(r.oracle.committed)) + 1, Term: 1})
			r.oracle.commitTerms = append(r.oracle.commitTerms, 1)
			r.oracle.takesOffice(r.servers[1], 9)
		}), []string{"n2 leads term 9 without 1.", "which is committed"}},
		{LeaderCompleteness, "a leader with another entry", staged(4*time.Second, func(r *run) {
			r.oracle.committed[len(r.oracle.committed)-1].Term = 3
			r.oracle.takesOffice(r.servers[1], 9)
		}), []string{"n2 leads term 9 without 3."}},
		{LeaderCompleteness, "an entry of an old term commits by counting", staged(0, func(r *run) {
			r.oracle.committedByMajority(r.servers[0], 4, protocol.Entry{Index: 2, Term: 2})
		}), []string{"n1 commits 2.2 by counting in term 4"}},
		{StateMachineSafety, "another entry is committed", staged(4*time.Second, func(r *run) {
			r.oracle.commits(r.servers[0], protocol.EntriesCommitted{Entries: []protocol.Entry{{Index: 2, Term: 1, Data: []byte("other")}}})
		}), []string{"n1 commits 1.2 where 1.2 is committed"}},
		{StateMachineSafety, "a commit leaves a gap", staged(0, func(r *run) {
			r.oracle.commits(r.servers[0], protocol.EntriesCommitted{Entries: []protocol.Entry{{Index: 2, Term: 1}}})
		}), []string{"n1 commits 1.2, and nobody has committed 1"}},
		{StateMachineSafety, "what is not committed is applied", staged(0, func(r *run) {
			r.oracle.applies(r.servers[0], []protocol.Entry{{Index: 1, Term: 1}})
		}), []string{"n1 applies 1.1, which nobody has committed"}},
		{StateMachineSafety, "another entry is applied", staged(4*time.Second, func(r *run) {
			r.oracle.applies(r.servers[0], []protocol.Entry{{Index: 2, Term: 1, Data: []byte("other")}})
		}), []string{"n1 applies 1.2 where 1.2 is committed"}},
		{StateMachineSafety, "a node meets what cannot be", staged(0, func(r *run) {
			r.servers[0].step(func(time.Time) protocol.Output { return protocol.Output{Err: protocol.ErrDiverged} })
		}), []string{"n1: "}},
	}
}

// promiseBreaches break what nodes promise one another.
func promiseBreaches() []breach {
	return []breach{
		{VoteOnce, "two votes in a term", staged(0, func(r *run) {
			r.oracle.votes(r.servers[0], 5, "n2")
			r.oracle.votes(r.servers[0], 5, "n3")
		}), []string{"n1 votes for n3 and has voted for n2 in term 5"}},
		{VoteOnce, "a vote after a campaign of its own", staged(0, func(r *run) {
			s := r.servers[0]
			s.pending[1] = pending{promise: promise{vote: true, to: "n2", term: 5}}
			r.oracle.sends(s, protocol.Message{From: "n1", To: "n3", Body: protocol.RequestVoteRequest{Term: 5}})
			r.oracle.sends(s, protocol.Message{From: "n1", To: "n2", Ticket: 1, Body: protocol.RequestVoteReply{Term: 5, VoteGranted: true}})
		}), []string{"n1 votes for n2 and has voted for n1 in term 5"}},
		{VoteOnce, "a vote is changed", func(t *testing.T) *Failure {
			r := stage(t, quiet(bare), 0)
			s := r.servers[0]
			campaign := func() { s.Tick(s.Deadline()) }
			campaign() // of term 1
			campaigner := *s.Node
			s.Receive(r.time(), protocol.Message{From: "n2", To: "n1", Ticket: 1, Body: protocol.RequestVoteRequest{Term: 2, CandidateID: "n2"}})
			before := s.Checkpoint()
			s.Node = &campaigner
			s.Tick(s.Deadline()) // of term 2, in which it has voted for n2
			r.oracle.stepped(s, before)
			return r.failure
		}, []string{"n1: voted for n2 and n1 in term 2"}},
		{TermMonotonic, "a term falls", func(t *testing.T) *Failure {
			r := stage(t, quiet(bare), 0)
			s := r.servers[0]
			back(r, s, func() { s.Tick(s.Deadline()) })
			return r.failure
		}, []string{"n1: term fell from 1 to 0"}},
		{TermAdopted, "a later term is not entered", staged(4*time.Second, func(r *run) {
			r.oracle.answered(r.servers[0], protocol.Message{From: "n2", Body: protocol.AppendEntriesReply{Term: 99}})
		}), []string{"n1 was shown term 99 by n2 and stays in term 1"}},
		{CommitMonotonic, "a commit index falls", staged(4*time.Second, func(r *run) {
			back(r, follower(r), func() { r.advance(time.Second, never) })
		}), []string{"n", ": commit index fell from "}},
		{CommitMajority, "one node alone acknowledged", staged(0, func(r *run) {
			s := r.servers[0]
			s.before = s.Configuration()
			r.oracle.acknowledges(s, 1, 1)
			r.oracle.commits(s, protocol.EntriesCommitted{Term: 1, Role: protocol.Leader, Entries: []protocol.Entry{{Index: 1, Term: 1}}})
		}), []string{"n1 commits 1.1 in term 1, and no majority of n1, n2, n3 has acknowledged it"}},
		{CommitMajority, "another leader was acknowledged to", staged(0, func(r *run) {
			s := r.servers[0]
			s.before = s.Configuration()
			for _, other := range r.servers {
				r.oracle.acknowledges(other, 1, 1)
			}
			r.oracle.commits(s, protocol.EntriesCommitted{Term: 2, Role: protocol.Leader, Entries: []protocol.Entry{{Index: 1, Term: 2}}})
		}), []string{"n1 commits 2.1 in term 2"}},
	}
}

// tellingBreaches break what nodes tell clients, and one another, of themselves.
func tellingBreaches() []breach {
	return []breach{
		{FreshReads, "a read rests on an old index", staged(4*time.Second, func(r *run) {
			s := r.servers[0]
			s.reads = append(s.reads, &reading{id: 99, op: Operation{ID: 12}, floor: 7, tell: func(reply) {}})
			s.readEnded(protocol.ReadResult{ID: 99, Index: 6})
		}), []string{"n1 serves read #12 from index 6, and 7 was committed"}},
		{HeartbeatLimit, "eleven heartbeats in a second", staged(0, func(r *run) {
			for range maxBeats + 1 {
				r.oracle.sends(r.servers[0], protocol.Message{From: "n1", To: "n2", Body: protocol.AppendEntriesRequest{}})
				r.now += 99 * time.Millisecond
			}
		}), []string{"n1 sends n2 11 heartbeats within 990ms"}},
		{NoPanic, "a peer breaks the protocol", staged(0, func(r *run) {
			r.servers[0].observe(protocol.ProtocolViolated{Peer: "n2", What: "a snapshot at 0.0 in term 3"})
		}), []string{"n1 tells that n2 breaks the protocol: a snapshot at 0.0 in term 3"}},
		{Acknowledged, "what took place is refused", staged(4*time.Second, func(r *run) {
			r.oracle.effects[effectKey{"s", 2}] = Effect{Index: 5, Client: "s", Number: 2, TookPlace: true}
			r.oracle.told(r.servers[0], Operation{ID: 12, Kind: Put, Session: "s", Number: 2}, Answer{Outcome: Refused, Reason: "expired"})
		}), []string{"n1 refuses operation #12 (expired), which took place at 5"}},
		{Acknowledged, "an answer before the commit", staged(0, func(r *run) {
			r.oracle.effects[effectKey{"s", 2}] = Effect{Index: 5, Client: "s", Number: 2, TookPlace: true, Answer: Done}
			r.oracle.told(r.servers[0], Operation{ID: 12, Kind: Put, Session: "s", Number: 2}, Answer{Outcome: Done})
		}), []string{"n1 answers operation #12 before entry 5 is committed"}},
	}
}

// bare has nodes campaign without asking first.
func bare(p *Plan) { p.Tuning.DisablePreVote = true }

// diskBreaches lose what a disk must keep.
func diskBreaches() []breach {
	found := func(change func(*protocol.State)) func(*testing.T) *Failure {
		return staged(4*time.Second, func(r *run) {
			s := r.servers[0]
			w := r.oracle.of(s)
			w.term, w.voted, w.votes, w.acked = 3, 3, map[protocol.Term]protocol.NodeID{3: "n2"}, protocol.Position{Term: 2, Index: 2}
			state := protocol.State{HardState: protocol.HardState{Term: 3, VotedFor: "n2"}, Entries: []protocol.Entry{{Index: 1, Term: 1}, {Index: 2, Term: 2}}}
			change(&state)
			r.oracle.recovered(s, state)
		})
	}
	return []breach{
		{
			Durability, "a term is forgotten", found(func(s *protocol.State) { s.HardState = protocol.HardState{Term: 2} }),
			[]string{"n1 starts in term 2 and has shown term 3"},
		},
		{
			Durability, "a vote is forgotten", found(func(s *protocol.State) { s.VotedFor = "" }),
			[]string{`n1 starts with a vote for "" in term 3 and has voted for n2`},
		},
		{
			Durability, "an entry is forgotten", found(func(s *protocol.State) { s.Entries = s.Entries[:1] }),
			[]string{"n1 starts with a log that ends at 1.1 and has acknowledged 2.2"},
		},
		{
			Durability, "an entry is another", found(func(s *protocol.State) { s.Entries[1].Term = 1 }),
			[]string{"n1 starts with 1.2 and has acknowledged 2.2"},
		},
		{Durability, "a disk is put back", func(t *testing.T) *Failure {
			r := stage(t, quiet(), 3*time.Second)
			s := follower(r)
			past := s.disk.fs.Crash(0, nil)
			r.advance(time.Second, never)
			s.stop("its disk is put back")
			s.disk.use(past)
			s.start()
			return r.failure
		}, []string{"n", " starts with a log that ends at 1.", "and has acknowledged 1."}},
		{StorageRecovers, "a file is damaged", func(t *testing.T) *Failure {
			r := stage(t, quiet(), 4*time.Second)
			s := r.servers[0]
			s.stop("its disk is damaged")
			for path, text := range s.disk.fs.Contents(dataDir + "/log") {
				spoilt := []byte(text)
				spoilt[len(text)/2] ^= 0x40
				s.disk.fs.Put(path, spoilt)
			}
			s.start()
			return r.failure
		}, []string{"n1 cannot start: "}},
		{StorageRecovers, "a disk is lost", staged(4*time.Second, func(r *run) {
			s := follower(r)
			s.stop("its disk is lost")
			s.disk.replace()
			s.start()
			r.advance(5*time.Second, never)
		}), []string{"n", "ends as if it had lost its disk"}},
		{StorageRecovers, "a write fails by itself", staged(0, func(r *run) {
			r.servers[0].storageFailed("persist", errors.New("no space left"))
		}), []string{"n1: persist: no space left"}},
	}
}
