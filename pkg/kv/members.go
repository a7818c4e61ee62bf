package kv

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// maxChangeBytes bounds the body of a change of members: enough for as many as there may be.
const maxChangeBytes = 64 << 10

const changeForm = `{"add":[{"id":"NAME","address":"HOST:PORT","learner":false}],"remove":["NAME"]}`

// membersBody is the configuration in force on this node.
type membersBody struct {
	Index     protocol.Index    `json:"index"` // of its entry, or of the snapshot that holds it; 0: the one the cluster began with
	Committed bool              `json:"committed"`
	Joint     bool              `json:"joint"`
	Members   []protocol.Member `json:"members"`
}

func membersOf(st raft.Status) membersBody {
	c := st.Configuration
	return membersBody{
		Index: st.ConfigurationIndex, Committed: st.ConfigurationCommitted,
		Joint: c.Joint, Members: append([]protocol.Member{}, c.Members...),
	}
}

// members shows who the members are, as this node knows it.
func (s *Service) members(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, membersOf(s.replica.Status()))
	return nil
}

// changeMembers adds and removes members, all at once.
func (s *Service) changeMembers(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	var order changeOrder
	if _, err := readOrder(w, r, maxChangeBytes, changeForm, &order); err != nil {
		return err
	}
	change, err := order.change()
	if err != nil {
		return err
	}
	return s.change(w, r, change)
}

// removeMember removes one member; one that is just joining takes its change with it.
func (s *Service) removeMember(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	id := protocol.NodeID(strings.TrimPrefix(r.URL.Path, "/v1/members/"))
	if id == "" {
		return badRequest("the member's name is empty")
	}
	return s.change(w, r, protocol.Change{Remove: []protocol.NodeID{id}})
}

// changeOrder is the body of a change of members.
type changeOrder struct {
	Add []struct {
		ID      protocol.NodeID `json:"id"`
		Address string          `json:"address"`
		Learner bool            `json:"learner"`
	} `json:"add"`
	Remove []protocol.NodeID `json:"remove"`
}

// change is what is asked for; whether it makes sense, the members' configuration decides.
func (o changeOrder) change() (protocol.Change, error) {
	if len(o.Add)+len(o.Remove) == 0 {
		return protocol.Change{}, badRequest("nothing is to be changed: the body must be %s", changeForm)
	}
	change := protocol.Change{Remove: o.Remove}
	for _, m := range o.Add {
		if !ValidMember(string(m.ID)) {
			return protocol.Change{}, badRequest("add has id %q: a name has up to 32 letters, digits, dots, dashes or underscores", m.ID)
		}
		if m.Address != "" && !validAddress(m.Address) {
			return protocol.Change{}, badRequest("add has address %q of %s: write host:port where the others can reach it", m.Address, m.ID)
		}
		suffrage := protocol.Voter
		if m.Learner {
			suffrage = protocol.Learner
		}
		change.Add = append(change.Add, protocol.Member{ID: m.ID, Suffrage: suffrage, Address: m.Address})
	}
	return change, nil
}

// ValidMember reports whether a member can have the name: up to 32 letters, digits, dots, dashes or underscores, so that
// it can stand in flags, paths and labels as it is.
func ValidMember(name string) bool {
	allowed := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	return name != "" && len(name) <= 32 && strings.IndexFunc(name, func(r rune) bool { return !allowed(r) }) < 0
}

func validAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || len(address) > 256 {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// change makes a change of members and waits for its end, or until the request's time is up.
func (s *Service) change(w http.ResponseWriter, r *http.Request, change protocol.Change) error {
	if s.stopping.Load() {
		return stopping()
	}
	if st := s.replica.Status(); st.Role != protocol.Leader {
		return notLeading(st, r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.options.RequestTimeout)
	defer cancel()
	status := http.StatusOK
	if err := s.replica.ChangeMembers(ctx, change); err != nil {
		if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			return s.notChanged(r, err)
		}
		status = http.StatusAccepted // the change goes on
	}
	st := s.replica.Status()
	setPosition(w, protocol.Position{Index: s.machine.Applied().Index, Term: st.Term})
	w.Header().Set("Raft-Leader", string(st.Leader)) // a leader that was removed leads no more
	writeJSON(w, status, membersOf(st))
	return nil
}

// changeUnderWay says what there is to do about a change that stands in the way of another.
func changeUnderWay(c protocol.Configuration) string {
	if c.Joint {
		return "it is joint and will be over once a majority of both halves has it: " + c.String()
	}
	return "DELETE /v1/members/ID of a joining member takes it back: " + c.String()
}

// notChanged says why a change was refused, or is not seen to have ended.
func (s *Service) notChanged(r *http.Request, err error) *refusal {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return notLeading(s.replica.Status(), r)
	case errors.Is(err, raft.ErrChange):
		return badRequest("%v; the members are %s", err, s.replica.Status().Configuration)
	case errors.Is(err, raft.ErrChanging):
		return refuse(http.StatusConflict, "change_in_progress", "%v: %s", err, changeUnderWay(s.replica.Status().Configuration))
	case errors.Is(err, raft.ErrTransferring):
		return refuse(http.StatusConflict, "transfer_in_progress", "%v", err)
	case errors.Is(err, raft.ErrCanceled):
		return unknown(http.StatusConflict, "change_canceled", "%v: its learners may have stayed", err)
	case errors.Is(err, raft.ErrStopped):
		return unknown(http.StatusGatewayTimeout, "stopping", "%v", err)
	}
	return unknown(http.StatusGatewayTimeout, "leadership_lost", "%v: the next leader goes on with the change if it has it", err)
}
