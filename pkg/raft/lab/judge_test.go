package lab

import (
	"context"
	"sync"
	"testing"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// judge sees every event of every server and every request on the network, and holds them to what no sampling test
// can see: one leader per term, one vote per server and term over restarts, one entry per committed index, a
// leader's commit ending in its own term, at most ten heartbeats a second to a peer.
type judge struct {
	t *testing.T

	mu        sync.Mutex // guards all below
	leaders   map[protocol.Term]int
	votes     map[vote]protocol.NodeID
	voted     map[int]protocol.Term // the latest term in which a server has voted
	committed map[protocol.Index]commit
	beats     map[[2]int][]time.Time // the last ten heartbeats on a link
	starts    map[int]int
	counts    map[string]int // events by name
}

type vote struct {
	server int
	term   protocol.Term
}

type commit struct {
	term     protocol.Term
	checksum uint32
}

func newJudge(t *testing.T) *judge {
	return &judge{
		t: t, leaders: map[protocol.Term]int{}, votes: map[vote]protocol.NodeID{}, voted: map[int]protocol.Term{},
		committed: map[protocol.Index]commit{}, beats: map[[2]int][]time.Time{}, starts: map[int]int{}, counts: map[string]int{},
	}
}

// sink is the judge as one server's event sink.
type sink struct {
	judge  *judge
	server int
}

func (j *judge) sink(server int) sink { return sink{j, server} }

func (s sink) Await(context.Context, uint64) error { return nil }

func (s sink) Record(e raft.Event) uint64 {
	j := s.judge
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[e.Name]++
	switch {
	case e.Name == "start":
		j.starts[s.server]++
		if e.Term < j.voted[s.server] {
			j.t.Errorf("server %d starts in term %d and has voted in term %d", s.server, e.Term, j.voted[s.server])
		}
	case e.Name == "role" && e.Role == "leader":
		if other, ok := j.leaders[e.Term]; ok {
			j.t.Errorf("servers %d and %d both took office in term %d", other, s.server, e.Term)
		}
		j.leaders[e.Term] = s.server
	case e.Name == "vote":
		j.vote(s.server, e)
	case e.Name == "commit":
		j.commit(s.server, e)
	case e.Name == "install" || e.Name == "snapshot":
		if c, ok := j.committed[e.Last]; !ok || c.term != e.LastTerm {
			j.t.Errorf("server %d: event %s at %d.%d, which nobody committed", s.server, e.Name, e.LastTerm, e.Last)
		}
	}
	return 0
}

func (j *judge) vote(server int, e raft.Event) {
	v := vote{server, e.Term}
	if other, ok := j.votes[v]; ok && other != e.Candidate {
		j.t.Errorf("server %d voted for %s and %s in term %d", server, other, e.Candidate, e.Term)
	}
	j.votes[v] = e.Candidate
	j.voted[server] = max(j.voted[server], e.Term)
}

func (j *judge) commit(server int, e raft.Event) {
	for _, entry := range e.Entries {
		c := commit{entry.Term, entry.Checksum()}
		if other, ok := j.committed[entry.Index]; ok && other != c {
			j.t.Errorf("server %d committed %v, another %v at that index", server, entry.Position(), other.term)
		}
		j.committed[entry.Index] = c
	}
	if last := e.Entries[len(e.Entries)-1]; e.Role == "leader" && last.Term != e.Term {
		j.t.Errorf("server %d leads term %d and committed %v by counting", server, e.Term, last.Position())
	}
}

// sent watches the network for heartbeats.
func (j *judge) sent(from, to int, args any) {
	request, ok := args.(*Message).Body.(protocol.AppendEntriesRequest)
	if !ok || len(request.Entries) > 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	link := [2]int{from, to}
	beats := append(j.beats[link], time.Now())
	if len(beats) > 10 {
		if gap := beats[10].Sub(beats[0]); gap < time.Second {
			j.t.Errorf("server %d sent %d eleven heartbeats within %v", from, to, gap)
		}
		beats = beats[1:]
	}
	j.beats[link] = beats
}

// committedTerm is the term of the entry committed at index; 0: none is.
func (j *judge) committedTerm(index int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int(j.committed[protocol.Index(index)].term)
}

// leaderships is how often a server took office.
func (j *judge) leaderships() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.leaders)
}

// restarts counts the incarnations behind each server's first.
func (j *judge) restarts() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	restarts := 0
	for _, starts := range j.starts {
		restarts += starts - 1
	}
	return restarts
}

// events counts those of one name.
func (j *judge) events(name string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[name]
}
