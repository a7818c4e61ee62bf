package kv

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// writeBody is the answer to a write that took effect.
type writeBody struct {
	Index    protocol.Index `json:"index"`
	Term     protocol.Term  `json:"term"`
	Revision protocol.Index `json:"revision"`
}

func (s *Service) put(w http.ResponseWriter, r *http.Request) error {
	op := "put"
	if r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "" {
		op = "cas"
	}
	return s.counted(op, func(w http.ResponseWriter, r *http.Request) error {
		if _, err := query(r); err != nil {
			return err
		}
		return s.write(w, r, OpPut)
	})(w, r)
}

func (s *Service) append(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r, "op")
	if err != nil {
		return err
	}
	if values.Get("op") != "append" {
		return badRequest("op=%q must be append", values.Get("op"))
	}
	return s.write(w, r, OpAppend)
}

func (s *Service) delete(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	return s.write(w, r, OpDelete)
}

// write proposes one change of a key and answers with its result.
func (s *Service) write(w http.ResponseWriter, r *http.Request, op Op) error {
	key, err := s.key(r)
	if err != nil {
		return err
	}
	c := Command{Op: op, Key: []byte(key)}
	if c.Session, c.Sequence, err = sessionHeaders(r); err != nil {
		return err
	}
	if c.Condition, c.Revision, err = condition(r); err != nil {
		return err
	}
	if op == OpAppend {
		c.Limit = uint64(s.options.MaxValueBytes)
	}
	if err := s.checkLength(r); err != nil {
		return err
	}
	if status := s.replica.Status(); status.Role != protocol.Leader {
		s.discardBody(w, r)
		return notLeading(status, r)
	}
	if op != OpDelete {
		if c.Value, err = s.body(w, r); err != nil {
			return err
		}
	}
	result, err := s.decide(w, r, c)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, writeBody{result.Position.Index, result.Position.Term, result.Revision})
	return nil
}

func (s *Service) createSession(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	result, err := s.decide(w, r, Command{
		Op:    OpCreateSession,
		Limit: uint64(s.options.MaxSessions),
		TTL:   uint64(s.options.SessionTTL.Milliseconds()),
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, map[string]string{"session": strconv.FormatUint(uint64(result.Position.Index), 10)})
	return nil
}

func (s *Service) deleteSession(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	id, err := positive("session", strings.TrimPrefix(r.URL.Path, "/v1/sessions/"))
	if err != nil {
		return err
	}
	result, err := s.decide(w, r, Command{Op: OpDeleteSession, Session: id})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, writeBody{Index: result.Position.Index, Term: result.Position.Term})
	return nil
}

// decide has the command committed and applied, sets the answer's headers, and returns its result or a refusal.
func (s *Service) decide(w http.ResponseWriter, r *http.Request, c Command) (Result, error) {
	ctx, cancel := context.WithTimeout(r.Context(), s.options.RequestTimeout)
	defer cancel()
	c.Time = uint64(max(0, s.options.Now().UnixMilli()))
	made, err := s.machine.proposals.propose(ctx, s.replica, c.Session, c.Encode())
	if err != nil {
		return Result{}, s.notProposed(r, err)
	}
	select {
	case <-made.done:
	case <-ctx.Done():
		return Result{}, unknown(http.StatusGatewayTimeout, "timeout", "accepted as entry %s, but not known to be committed in time", made.at)
	case <-s.replica.Done():
		return Result{}, unknown(http.StatusGatewayTimeout, "stopping", "accepted as entry %s, but this node stopped", made.at)
	}
	if made.err != nil {
		return Result{}, unknown(http.StatusGatewayTimeout, "leadership_lost", "entry %s: %v", made.at, made.err)
	}
	setPosition(w, made.result.Position)
	if made.result.Replayed {
		w.Header().Set("Session-Replayed", "true")
		s.metrics.duplicates.Inc()
	}
	return made.result, s.refused(made.result, c)
}

// notProposed is the answer for a command that the replica did not accept.
func (s *Service) notProposed(r *http.Request, err error) error {
	switch {
	case errors.Is(err, errInFlight):
		return unknown(http.StatusConflict, "in_flight", "%v: repeat the request", err)
	case errors.Is(err, raft.ErrNotLeader):
		return notLeading(s.replica.Status(), r)
	case errors.Is(err, raft.ErrTransferring):
		return unavailable("transferring", "%v", err)
	case errors.Is(err, raft.ErrOverloaded):
		return unavailable("overloaded", "%v", err)
	case errors.Is(err, raft.ErrTooLarge):
		return tooLarge("%v", err)
	}
	return unavailable("stopping", "%v", err)
}

// refused is the answer for a command that was applied and changed nothing, or nil.
func (s *Service) refused(result Result, c Command) error {
	switch result.Verdict {
	case Done:
		return nil
	case ConditionFailed:
		r := refuse(http.StatusPreconditionFailed, "precondition_failed", "the key's revision is %d (0: absent)", result.Revision)
		r.body.Revision = &result.Revision
		return r
	case TooLarge:
		return tooLarge("the value would have more than %d bytes", c.Limit)
	case SessionGone:
		return refuse(http.StatusGone, "session_expired", "session %d has expired or never was: create another", c.Session)
	case SequenceReused:
		return refuse(http.StatusUnprocessableEntity, "sequence_reused", "sequence %d of session %d was another write", c.Sequence, c.Session)
	case SequenceTooOld:
		return unknown(http.StatusConflict, "sequence_too_old", "session %d has gone past sequence %d", c.Session, c.Sequence)
	case SessionsFull:
		return unavailable("overloaded", "there are %d sessions already: delete one, or wait until one expires", c.Limit)
	}
	panic("unknown verdict of the state machine")
}
