package kv

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

const (
	defaultListLimit = 100
	maxListLimit     = 1000
)

func (s *Service) get(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r, "consistency")
	if err != nil {
		return err
	}
	key, err := s.key(r)
	if err != nil {
		return err
	}
	if err := s.awaitRead(r, values); err != nil {
		return err
	}
	item, present, at := s.machine.Get(key)
	s.setReadPosition(w, at)
	if !present {
		return refuse(http.StatusNotFound, "not_found", "there is no such key")
	}
	setETag(w, item.Revision)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(item.Value)))
	// An error here is the client's connection: nobody is left to tell.
	_, _ = w.Write(item.Value)
	return nil
}

// listBody is one page of keys.
type listBody struct {
	Index protocol.Index `json:"index"` // applied when the page was read
	Keys  []listedKey    `json:"keys"`
	Next  string         `json:"next,omitempty"` // the last key, where there are more: the next page's after=
}

// listedKey escapes its key, so that it can stand in a path and in a query as it is.
type listedKey struct {
	Key      string         `json:"key"`
	Revision protocol.Index `json:"revision"`
	Bytes    int            `json:"bytes"`
}

func (s *Service) list(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r, "prefix", "after", "limit", "consistency")
	if err != nil {
		return err
	}
	limit, err := number(values, "limit", defaultListLimit, 1, maxListLimit)
	if err != nil {
		return err
	}
	if err := s.awaitRead(r, values); err != nil {
		return err
	}
	items, more, at := s.machine.List(values.Get("prefix"), values.Get("after"), int(limit))
	s.setReadPosition(w, at)
	page := listBody{Index: at.Index, Keys: make([]listedKey, 0, len(items))}
	for _, item := range items {
		page.Keys = append(page.Keys, listedKey{Key: escape(item.Key), Revision: item.Revision, Bytes: len(item.Value)})
	}
	if more {
		page.Next = page.Keys[len(page.Keys)-1].Key
	}
	writeJSON(w, http.StatusOK, page)
	return nil
}

// escape leaves only letters, digits and - _ . ~ as they are.
func escape(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "+", "%20") }

// awaitRead waits until the state machine may answer with the consistency asked for.
func (s *Service) awaitRead(r *http.Request, values url.Values) error {
	consistency := values.Get("consistency")
	switch {
	case consistency == "stale":
		return nil
	case values.Has("consistency") && consistency != "linearizable":
		return badRequest("consistency=%q: allowed are linearizable (the default) and stale", consistency)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.options.RequestTimeout)
	defer cancel()
	return s.linearize(ctx)
}

// linearize waits until a read of the state machine is linearizable (§8), or says why that cannot be.
func (s *Service) linearize(ctx context.Context) error {
	index, err := s.replica.ReadIndex(ctx)
	switch {
	case err == nil:
	case errors.Is(err, raft.ErrStopped):
		return unavailable("stopping", "%v", err)
	case errors.Is(err, raft.ErrOverloaded):
		return unavailable("overloaded", "%v", err)
	case ctx.Err() != nil:
		return unavailable("no_leader", "no leader confirmed the read in time")
	case errors.Is(err, raft.ErrNoLeader):
		return unavailable("no_leader", "%s", leaderless(s.replica.Status()))
	default:
		return unavailable("no_leader", "%v", err)
	}
	if err := s.machine.WaitApplied(ctx, index); err != nil {
		return unavailable("overloaded", "this node has applied entry %d, the read needs %d", s.machine.Applied().Index, index)
	}
	return nil
}

// setReadPosition names the applied index that a read saw; the term stays the node's own.
func (s *Service) setReadPosition(w http.ResponseWriter, at protocol.Position) {
	w.Header().Set("Raft-Index", strconv.FormatUint(uint64(at.Index), 10))
}
