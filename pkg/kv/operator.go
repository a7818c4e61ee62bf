package kv

import (
	"context"
	"errors"
	"net/http"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// maxOrderBytes bounds the body of a transfer.
const maxOrderBytes = 4 << 10

// snapshot has this node take a snapshot of its state and compact its log.
func (s *Service) snapshot(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if s.stopping.Load() {
		return stopping()
	}
	switch err := s.replica.TakeSnapshot(); {
	case errors.Is(err, raft.ErrSnapshot):
		return refuse(http.StatusConflict, "snapshot_in_progress", "a snapshot is under way: %v", err)
	case err != nil:
		return unavailable("stopping", "%v", err)
	}
	writeJSON(w, http.StatusAccepted, struct{}{})
	return nil
}

// transferBody is who leads after a transfer.
type transferBody struct {
	Leader protocol.NodeID `json:"leader"`
	Term   protocol.Term   `json:"term"`
}

// transfer hands this node's leadership to another member and waits until it is known who leads.
func (s *Service) transfer(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	if s.stopping.Load() {
		return stopping()
	}
	to, err := transferTarget(w, r)
	if err != nil {
		return err
	}
	before := s.replica.Status()
	if before.Role != protocol.Leader {
		return notLeading(before, r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.options.RequestTimeout)
	defer cancel()
	if err := s.replica.TransferLeadership(ctx, to); err != nil {
		return s.notTransferred(r, before, to, err)
	}
	after, err := s.awaitLeader(ctx, before.Term)
	if err != nil {
		return err
	}
	w.Header().Set("Raft-Leader", string(after.Leader))
	setPosition(w, protocol.Position{Index: s.machine.Applied().Index, Term: after.Term})
	writeJSON(w, http.StatusOK, transferBody{Leader: after.Leader, Term: after.Term})
	return nil
}

// transferTarget reads {"to":"n2"}; nothing leaves the choice to the leader.
func transferTarget(w http.ResponseWriter, r *http.Request) (protocol.NodeID, error) {
	var order struct {
		To protocol.NodeID `json:"to"`
	}
	_, err := readOrder(w, r, maxOrderBytes, `empty or {"to":"NAME"}`, &order)
	return order.To, err
}

// notTransferred says why a transfer was refused, or is not seen to have ended.
func (s *Service) notTransferred(r *http.Request, before raft.Status, to protocol.NodeID, err error) *refusal {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return notLeading(s.replica.Status(), r)
	case errors.Is(err, raft.ErrTransferring):
		return refuse(http.StatusConflict, "transfer_in_progress", "%v", err)
	case errors.Is(err, raft.ErrTransferTarget):
		return badRequest("to=%q: %v; the members are %v", to, err, before.Configuration.IDs())
	case errors.Is(err, raft.ErrStopped):
		return unknown(http.StatusGatewayTimeout, "stopping", "%v", err)
	}
	return unknown(http.StatusGatewayTimeout, "timeout", "%v", err)
}

// awaitLeader returns once a leader of a later term is known.
func (s *Service) awaitLeader(ctx context.Context, term protocol.Term) (raft.Status, error) {
	for {
		changed := s.leadership.next()
		if st := s.replica.Status(); st.Term > term && st.Leader != "" {
			return st, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return raft.Status{}, unknown(http.StatusGatewayTimeout, "timeout", "leadership was given up, but no new leader is known in time")
		case <-s.replica.Done():
			return raft.Status{}, unknown(http.StatusGatewayTimeout, "stopping", "leadership was given up, and this node stopped")
		}
	}
}
