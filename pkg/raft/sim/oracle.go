package sim

import (
	"strings"
	"time"

	"whitewater/pkg/raft/protocol"
)

// oracle sees everything and judges each step by itself, in constant time: what was seen before stands in tables. What a
// data directory has promised is kept under its id, so that a replaced disk has promised nothing.
type oracle struct {
	r *run

	leaders     map[protocol.Term]protocol.NodeID
	candidates  map[protocol.Term]protocol.NodeID // one that campaigned in it
	entries     map[protocol.Position]entryRecord
	committed   []protocol.Entry // by index, from 1 at 0
	commitTerms []protocol.Term  // of who committed it first
	directory   map[string]*witness
	acks        map[ackKey]protocol.Index // the highest index acknowledged to the leader of a term

	effects map[effectKey]Effect    // that took place
	at      []effectAt              // what each index did, by index from 1 at 0
	digests map[protocol.Index]seen // of the machine's state after an index

	beats map[[2]protocol.NodeID]*beats
}

type entryRecord struct {
	checksum uint32
	before   protocol.Term // of the entry before
}

// witness is what a data directory has shown to others.
type witness struct {
	term  protocol.Term
	votes map[protocol.Term]protocol.NodeID
	voted protocol.Term     // the latest of them
	acked protocol.Position // its log is durable up to here; a later leader may have cut it since
}

type ackKey struct {
	directory string
	term      protocol.Term
}

type effectKey struct {
	client string
	number uint64
}

type effectAt struct {
	known  bool
	effect Effect
}

type seen struct {
	digest uint64
	by     protocol.NodeID
}

func newOracle(r *run) oracle {
	return oracle{
		r: r, leaders: map[protocol.Term]protocol.NodeID{}, candidates: map[protocol.Term]protocol.NodeID{}, entries: map[protocol.Position]entryRecord{},
		directory: map[string]*witness{}, acks: map[ackKey]protocol.Index{}, effects: map[effectKey]Effect{},
		digests: map[protocol.Index]seen{}, beats: map[[2]protocol.NodeID]*beats{},
	}
}

func (o *oracle) of(s *server) *witness {
	w := o.directory[s.directory]
	if w == nil {
		w = &witness{votes: map[protocol.Term]protocol.NodeID{}}
		o.directory[s.directory] = w
	}
	return w
}

// stepped judges what one input did to a node's own state.
func (o *oracle) stepped(s *server, before protocol.Checkpoint) {
	o.r.events++
	if err := s.Check(before); err != nil {
		o.r.broken(checkOf(err), "%s: %s", s.id, strings.TrimPrefix(err.Error(), panicCheck(err)+": "))
	}
	o.r.digest.add(uint64(o.r.now), uint64(s.index), uint64(s.Term()), uint64(s.Role()), uint64(s.CommitIndex()))
}

// checkOf is the check that a node's own invariant belongs to.
func checkOf(err error) string {
	text := err.Error()
	for _, moved := range []struct{ says, check string }{
		{"term fell", TermMonotonic}, {"voted for", VoteOnce}, {"fell from", CommitMonotonic},
	} {
		if strings.Contains(text, moved.says) {
			return moved.check
		}
	}
	return panicCheck(text)
}

// recovered judges what a directory still holds when it is opened.
func (o *oracle) recovered(s *server, found protocol.State) {
	w := o.of(s)
	last := found.Compacted
	if n := len(found.Entries); n > 0 {
		last = found.Entries[n-1].Position()
	}
	switch {
	case found.Term < w.term:
		o.r.broken(Durability, "%s starts in term %d and has shown term %d", s.id, found.Term, w.term)
	case w.voted == found.Term && w.voted > 0 && found.VotedFor != w.votes[w.voted]:
		o.r.broken(Durability, "%s starts with a vote for %q in term %d and has voted for %s", s.id, found.VotedFor, found.Term, w.votes[w.voted])
	case last.Index < w.acked.Index:
		o.r.broken(Durability, "%s starts with a log that ends at %v and has acknowledged %v", s.id, last, w.acked)
	case w.acked.Index > found.Compacted.Index:
		if e := found.Entries[w.acked.Index-found.Compacted.Index-1]; e.Term != w.acked.Term {
			o.r.broken(Durability, "%s starts with %v and has acknowledged %v", s.id, e.Position(), w.acked)
		}
	}
	for _, e := range found.Entries {
		if seen, ok := o.entries[e.Position()]; ok && seen.checksum != e.Checksum() {
			o.r.broken(Durability, "%s starts with another entry %v than went to its disk", s.id, e.Position())
		}
	}
	w.term = max(w.term, found.Term)
}

// issued judges what goes to a disk: every entry that any node ever holds.
func (o *oracle) issued(s *server, p protocol.Persist) {
	w := o.of(s)
	if !p.Install.IsZero() {
		w.acked = protocol.Position{}
	}
	if len(p.Entries) == 0 {
		return
	}
	before := p.Entries[0].Index - 1
	term, known := s.TermAt(before)
	if w.acked.Index > before {
		w.acked = protocol.Position{Index: before, Term: term}
	}
	for _, e := range p.Entries {
		o.r.digest.add(uint64(e.Index), uint64(e.Term))
		record := entryRecord{e.Checksum(), term}
		switch other, ok := o.entries[e.Position()]; {
		case !known:
		case !ok:
			o.entries[e.Position()] = record
		case other != record:
			o.r.broken(LogMatching, "%s has another entry %v, or another before it, than was seen elsewhere", s.id, e.Position())
		}
		term, known = e.Term, true
	}
}

// sends judges what a message says of its sender.
func (o *oracle) sends(s *server, m protocol.Message) {
	w := o.of(s)
	if term := termOf(m.Body); term > w.term {
		w.term = term
	}
	switch b := m.Body.(type) {
	case protocol.RequestVoteRequest:
		if !b.PreVote {
			o.votes(s, b.Term, s.id)
		}
	case protocol.AppendEntriesRequest:
		if len(b.Entries) == 0 {
			o.heartbeat(m.From, m.To)
		}
	}
	if isRequest(m.Body) || !accepted(m.Body) {
		return
	}
	p := s.pending[m.Ticket].promise
	if p.vote {
		o.votes(s, p.term, p.to)
		return
	}
	o.acknowledges(s, p.term, p.index)
}

// votes judges a vote that others learn of.
func (o *oracle) votes(s *server, term protocol.Term, candidate protocol.NodeID) {
	w := o.of(s)
	if other, ok := w.votes[term]; ok && other != candidate {
		o.r.broken(VoteOnce, "%s votes for %s and has voted for %s in term %d", s.id, candidate, other, term)
	}
	w.votes[term] = candidate
	w.voted = max(w.voted, term)
}

// acknowledges notes that a node says its log to be durable up to an index, as the leader of a term has it.
func (o *oracle) acknowledges(s *server, term protocol.Term, index protocol.Index) {
	key := ackKey{s.directory, term}
	o.acks[key] = max(o.acks[key], index)
	w := o.of(s)
	if s.Term() != term {
		return // a later leader may have replaced what this was said of
	}
	if at, ok := s.TermAt(index); ok && index > w.acked.Index {
		w.acked = protocol.Position{Index: index, Term: at}
	}
}

// answered judges what an answer did to who asked. What a node says that is known by another directory is not heeded.
func (o *oracle) answered(s *server, m protocol.Message) {
	if member, _ := s.before.Member(m.From); member.Directory != "" && member.Directory != o.r.byID[m.From].directory {
		return
	}
	if term := termOf(m.Body); s.up && term > s.Term() {
		o.r.broken(TermAdopted, "%s was shown term %d by %s and stays in term %d", s.id, term, m.From, s.Term())
	}
}

// stopped forgets nothing: what a process has shown binds its directory.
func (o *oracle) stopped(s *server) { o.r.digest.add(uint64(o.r.now), uint64(s.index)) }

// takesOffice judges a new leader.
func (o *oracle) takesOffice(s *server, term protocol.Term) {
	o.r.counts["elections"]++
	if other, ok := o.leaders[term]; ok && other != s.id {
		o.r.broken(ElectionSafety, "%s and %s both lead term %d", other, s.id, term)
	}
	o.leaders[term] = s.id
	// Votes may arrive late: by then a later term may have committed what this one need not have.
	earlier := len(o.committed)
	for earlier > 0 && o.commitTerms[earlier-1] >= term {
		earlier--
	}
	if earlier == 0 {
		return
	}
	last := o.committed[earlier-1]
	if held, ok := s.TermAt(last.Index); ok && held != last.Term || !ok && s.Snapshot().Index < last.Index {
		o.r.broken(LeaderCompleteness, "%s leads term %d without %v, which is committed", s.id, term, last.Position())
	}
}

// commits judges what a node takes for committed.
func (o *oracle) commits(s *server, e protocol.EntriesCommitted) {
	for _, entry := range e.Entries {
		switch known := protocol.Index(len(o.committed)); {
		case entry.Index == known+1:
			o.committed, o.commitTerms = append(o.committed, entry), append(o.commitTerms, e.Term)
			o.r.counts["commits"]++
		case entry.Index > known+1:
			o.r.broken(StateMachineSafety, "%s commits %v, and nobody has committed %d", s.id, entry.Position(), known+1)
			return
		default:
			if other := o.committed[entry.Index-1]; other.Term != entry.Term || other.Checksum() != entry.Checksum() {
				o.r.broken(StateMachineSafety, "%s commits %v where %v is committed", s.id, entry.Position(), other.Position())
				return
			}
		}
	}
	if last := e.Entries[len(e.Entries)-1]; e.Role == protocol.Leader {
		o.committedByMajority(s, e.Term, last)
	}
}

// committedByMajority judges a leader's commit by who has acknowledged it.
func (o *oracle) committedByMajority(s *server, term protocol.Term, last protocol.Entry) {
	if last.Term != term {
		o.r.broken(LeaderCompleteness, "%s commits %v by counting in term %d", s.id, last.Position(), term)
	}
	holds := func(c protocol.Configuration) bool {
		return c.Decides(func(id protocol.NodeID) bool {
			m, _ := c.Member(id)
			if m.Directory == "" {
				m.Directory = o.r.byID[id].directory
			}
			return o.acks[ackKey{m.Directory, term}] >= last.Index
		})
	}
	if !holds(s.before) && !holds(s.Configuration()) { // a commit may bring the next configuration about
		o.r.broken(CommitMajority, "%s commits %v in term %d, and no majority of %v has acknowledged it", s.id, last.Position(), term, s.before)
	}
}

// beats are the last heartbeats on a link.
type beats struct {
	times [maxBeats]time.Duration
	next  int
	count int
}

// maxBeats a second are allowed.
const maxBeats = 10

func (o *oracle) heartbeat(from, to protocol.NodeID) {
	link := [2]protocol.NodeID{from, to}
	b := o.beats[link]
	if b == nil {
		b = &beats{}
		o.beats[link] = b
	}
	if b.count >= maxBeats && o.r.now-b.times[b.next] < time.Second {
		o.r.broken(HeartbeatLimit, "%s sends %s %d heartbeats within %v", from, to, maxBeats+1, o.r.now-b.times[b.next])
	}
	b.times[b.next] = o.r.now
	b.next = (b.next + 1) % maxBeats
	b.count++
	o.r.counts["heartbeats"]++
}
