package sim

import (
	"fmt"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// The texts of steps; StepKind lists their forms.

func messageText(m protocol.Message, p promise) string {
	switch b := m.Body.(type) {
	case protocol.RequestVoteRequest:
		return fmt.Sprintf("%s t%d, last %s", voteName(b.PreVote), b.Term, at(b.LastLogIndex, b.LastLogTerm))
	case protocol.RequestVoteReply:
		name := "pre-vote"
		if p.vote {
			name = "vote"
		}
		if !b.VoteGranted {
			name = "no " + name
		}
		return fmt.Sprintf("%s t%d", name, b.Term)
	case protocol.AppendEntriesRequest:
		detail := fmt.Sprintf("prev %s, commit %d", at(b.PrevLogIndex, b.PrevLogTerm), b.LeaderCommit)
		if len(b.Entries) == 0 {
			return fmt.Sprintf("heartbeat t%d, %s", b.Term, detail)
		}
		return fmt.Sprintf("AppendEntries t%d %s, %s", b.Term, span(b.Entries), detail)
	case protocol.AppendEntriesReply:
		switch {
		case b.ConflictIndex > 0:
			return fmt.Sprintf("conflict %d t%d", b.ConflictIndex, b.Term)
		case !b.Success:
			return fmt.Sprintf("refused t%d", b.Term)
		case p.heartbeat:
			return fmt.Sprintf("heartbeat ok t%d", b.Term)
		}
		return fmt.Sprintf("ok %d t%d", p.index, b.Term)
	case protocol.InstallSnapshotRequest:
		return fmt.Sprintf("InstallSnapshot t%d %s", b.Term, at(b.LastIncludedIndex, b.LastIncludedTerm))
	case protocol.InstallSnapshotReply:
		return fmt.Sprintf("snapshot ok t%d", b.Term)
	case protocol.TimeoutNowRequest:
		return fmt.Sprintf("TimeoutNow t%d", b.Term)
	case protocol.TimeoutNowReply:
		return fmt.Sprintf("TimeoutNow ok t%d", b.Term)
	case protocol.ConfirmLeaderRequest:
		return fmt.Sprintf("ConfirmLeader t%d", b.Term)
	case protocol.ConfirmLeaderReply:
		if b.Term == p.term {
			return fmt.Sprintf("confirmed t%d", b.Term)
		}
		return fmt.Sprintf("not confirmed t%d", b.Term)
	case protocol.ReadIndexRequest:
		return "ReadIndex"
	case protocol.ReadIndexReply:
		if b.Success {
			return fmt.Sprintf("ReadIndex %d", b.ReadIndex)
		}
		return "no ReadIndex"
	}
	return fmt.Sprintf("%T", m.Body)
}

func voteName(preVote bool) string {
	if preVote {
		return "PreVote"
	}
	return "RequestVote"
}

func at(index protocol.Index, term protocol.Term) string {
	if index == 0 {
		return "none"
	}
	return fmt.Sprintf("%d@%d", index, term)
}

// span names entries, a range for each term.
func span(entries []protocol.Entry) string {
	var parts []string
	for i := 0; i < len(entries); {
		j := i
		for j+1 < len(entries) && entries[j+1].Term == entries[i].Term {
			j++
		}
		if i == j {
			parts = append(parts, at(entries[i].Index, entries[i].Term))
		} else {
			parts = append(parts, fmt.Sprintf("%d..%d@%d", entries[i].Index, entries[j].Index, entries[i].Term))
		}
		i = j + 1
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, " ")
}

// tellEvent tells of what changed in a node.
func (s *server) tellEvent(e protocol.Event) {
	tell := func(kind StepKind, format string, args ...any) {
		s.r.tell(kind, s.id, func() string { return fmt.Sprintf(format, args...) })
	}
	switch e := e.(type) {
	case protocol.RoleChanged:
		if e.To == protocol.Leader {
			tell(Changed, "LEADS t%d", e.Term)
		} else {
			tell(Changed, "%v t%d", e.To, e.Term)
		}
	case protocol.VoteCast:
		if e.Candidate == s.id {
			tell(Stored, "synced t%d votes %s", e.Term, e.Candidate)
		} else {
			tell(Changed, "votes %s t%d", e.Candidate, e.Term)
		}
	case protocol.EntriesAppended:
		if e.Durable {
			tell(Stored, "synced %s", span(e.Entries))
		} else {
			tell(Changed, "append %s", span(e.Entries))
		}
	case protocol.EntriesDurable:
		tell(Stored, "synced %d..%d@%d", e.First, e.Last, e.Term)
	case protocol.LogTruncated:
		tell(Changed, "truncate from %d", e.From)
	case protocol.EntriesCommitted:
		last := e.Entries[len(e.Entries)-1]
		tell(Changed, "commit %s", at(last.Index, last.Term))
	case protocol.SnapshotSaved:
		tell(Stored, "snapshot %s", at(e.Meta.Index, e.Meta.Term))
	case protocol.SnapshotInstalled:
		tell(Changed, "installed %s", at(e.Meta.Index, e.Meta.Term))
	case protocol.ConfigurationChanged:
		tell(Changed, "members %v", e.Configuration)
	}
}

func upText(state protocol.State) string {
	text := fmt.Sprintf("up t%d, log %s", state.Term, span(state.Entries))
	if state.VotedFor != "" {
		text += ", votes " + string(state.VotedFor)
	}
	return text
}

func askedText(c *client, op Operation, first bool) string {
	switch {
	case !first:
		return fmt.Sprintf("%s again #%d", c.name(), op.ID)
	case op.Value != "":
		return fmt.Sprintf("%s %s %s %q #%d", c.name(), op.Kind, op.Key, op.Value, op.ID)
	case op.Key != "":
		return fmt.Sprintf("%s %s %s #%d", c.name(), op.Kind, op.Key, op.ID)
	}
	return fmt.Sprintf("%s %s #%d", c.name(), op.Kind, op.ID)
}

func answeredText(c *client, op Operation, got reply) string {
	switch {
	case got.elsewhere:
		return fmt.Sprintf("%s refused #%d, not the leader", c.name(), op.ID)
	case op.Kind == Get:
		return fmt.Sprintf("%s got %q #%d", c.name(), got.value.Data, op.ID)
	case got.answer.Outcome == Done:
		return fmt.Sprintf("%s done #%d", c.name(), op.ID)
	case got.answer.Outcome == NotFound:
		return fmt.Sprintf("%s done #%d, it was there", c.name(), op.ID)
	case got.answer.Outcome == Refused:
		return fmt.Sprintf("%s refused #%d, %s", c.name(), op.ID, got.answer.Reason)
	}
	return fmt.Sprintf("%s unknown #%d, %s", c.name(), op.ID, got.answer.Reason)
}
