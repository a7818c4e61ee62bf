package kv

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// refusal is an answer other than success, and its body.
type refusal struct {
	status     int
	location   string
	retryAfter bool
	body       refusalBody
}

type refusalBody struct {
	Error    string          `json:"error"` // a code, stable
	Message  string          `json:"message"`
	Outcome  string          `json:"outcome"` // none: without effect; unknown: it may yet have one, or had
	Leader   *leaderBody     `json:"leader,omitempty"`
	Revision *protocol.Index `json:"revision,omitempty"` // the present one, where a condition failed
}

type leaderBody struct {
	ID  protocol.NodeID `json:"id"`
	URL string          `json:"url"`
}

const (
	outcomeNone    = "none"
	outcomeUnknown = "unknown"
)

func (r *refusal) Error() string { return r.body.Error + ": " + r.body.Message }

// refuse makes a refusal without effect.
func refuse(status int, code, format string, args ...any) *refusal {
	return &refusal{status: status, body: refusalBody{Error: code, Message: fmt.Sprintf(format, args...), Outcome: outcomeNone}}
}

func badRequest(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "bad_request", format, args...)
}

func unavailable(code, format string, args ...any) *refusal {
	r := refuse(http.StatusServiceUnavailable, code, format, args...)
	r.retryAfter = true
	return r
}

// unknown makes a refusal of a write that may take effect all the same, or did.
func unknown(status int, code, format string, args ...any) *refusal {
	r := refuse(status, code, format, args...)
	r.body.Outcome = outcomeUnknown
	return r
}

// notLeading sends a write to the leader, or asks to come back when there is one.
func notLeading(status raft.Status, r *http.Request) *refusal {
	if status.Leader == "" || status.Leader == status.ID || status.LeaderURL == "" {
		return unavailable("no_leader", "%s", leaderless(status))
	}
	moved := refuse(http.StatusTemporaryRedirect, "not_leader", "%s leads, at %s", status.Leader, status.LeaderURL)
	moved.location = status.LeaderURL + r.URL.RequestURI()
	moved.body.Leader = &leaderBody{ID: status.Leader, URL: status.LeaderURL}
	return moved
}

// leaderless says why a node knows no leader, as far as it can tell.
func leaderless(status raft.Status) string {
	if _, member := status.Configuration.Member(status.ID); member {
		return "no leader is known"
	}
	if len(status.Configuration.Members) == 0 {
		return "this node waits to be added: POST /v1/members at the leader"
	}
	return "this node is no member: stop it, or add it with POST /v1/members at the leader"
}

// writeRefusal writes an error that a handler returned; it is always a *refusal.
func writeRefusal(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		panic(fmt.Sprintf("handler returned %T (%v), not a refusal", err, err))
	}
	if r.location != "" {
		w.Header().Set("Location", r.location)
	}
	if r.retryAfter {
		w.Header().Set("Retry-After", "1")
	}
	if r.body.Revision != nil && *r.body.Revision > 0 {
		setETag(w, *r.body.Revision)
	}
	writeJSON(w, r.status, r.body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// An error here is the client's connection: nobody is left to tell.
	_ = json.NewEncoder(w).Encode(body)
}

func setETag(w http.ResponseWriter, revision protocol.Index) {
	w.Header().Set("ETag", `"`+strconv.FormatUint(uint64(revision), 10)+`"`)
}
