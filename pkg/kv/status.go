package kv

import (
	"math"
	"net/http"
	"net/http/pprof"
	"strings"

	"whitewater/pkg/raft/protocol"
)

const (
	defaultLogLimit = 1000
	maxLogLimit     = 65536
)

type statusBody struct {
	ID           protocol.NodeID   `json:"id"`
	Cluster      string            `json:"cluster"`
	Role         string            `json:"role"`
	Term         protocol.Term     `json:"term"`
	Leader       protocol.NodeID   `json:"leader"`
	LastIndex    protocol.Index    `json:"last_index"`
	DurableIndex protocol.Index    `json:"durable_index"`
	CommitIndex  protocol.Index    `json:"commit_index"`
	AppliedIndex protocol.Index    `json:"applied_index"`
	Members      []protocol.NodeID `json:"members"`
	Incarnation  string            `json:"incarnation"`
}

func (s *Service) status(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	st := s.replica.Status()
	writeJSON(w, http.StatusOK, statusBody{
		ID: st.ID, Cluster: s.options.Cluster, Role: st.Role.String(), Term: st.Term, Leader: st.Leader,
		LastIndex: st.LastIndex, DurableIndex: st.DurableIndex, CommitIndex: st.CommitIndex, AppliedIndex: st.AppliedIndex,
		Members: st.Configuration.IDs(), Incarnation: s.options.Incarnation,
	})
	return nil
}

// logBody lists entries by position and checksum, for comparing nodes.
type logBody struct {
	First   protocol.Index `json:"first"`
	Entries []logEntry     `json:"entries"`
}

type logEntry struct {
	Index    protocol.Index `json:"index"`
	Term     protocol.Term  `json:"term"`
	Checksum uint32         `json:"checksum"`
}

// log shows the durable part of this node's log. Where the log begins behind the index asked for, because a snapshot
// covers what came before, so does the page.
func (s *Service) log(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r, "from", "limit")
	if err != nil {
		return err
	}
	from, err := number(values, "from", 1, 1, math.MaxUint64)
	if err != nil {
		return err
	}
	limit, err := number(values, "limit", defaultLogLimit, 1, maxLogLimit)
	if err != nil {
		return err
	}
	page := logBody{First: protocol.Index(from), Entries: []logEntry{}}
	st := s.replica.Status()
	page.First = max(page.First, st.FirstIndex)
	if page.First <= st.DurableIndex {
		for _, e := range s.replica.Entries(page.First, int(limit)) {
			page.Entries = append(page.Entries, logEntry{Index: e.Index, Term: e.Term, Checksum: e.Checksum()})
		}
	}
	if len(page.Entries) > 0 {
		page.First = page.Entries[0].Index // later than that, if the log was compacted meanwhile
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// pprofRoute serves the runtime's profiles.
func pprofRoute() route {
	serve := func(w http.ResponseWriter, r *http.Request) error {
		switch strings.TrimPrefix(r.URL.Path, "/debug/pprof/") {
		case "cmdline":
			pprof.Cmdline(w, r)
		case "profile":
			pprof.Profile(w, r)
		case "symbol":
			pprof.Symbol(w, r)
		case "trace":
			pprof.Trace(w, r)
		default:
			pprof.Index(w, r)
		}
		return nil
	}
	return route{http.MethodGet: serve, http.MethodPost: serve}
}
