package raft

import (
	"context"

	"whitewater/pkg/raft/protocol"
)

// ApplyChannel is a StateMachine for programs in the lab's form: it sends committed commands, in order, to whoever
// receives. No-ops are not sent, so with them the indices have gaps. An entry counts as applied once it was received.
type ApplyChannel chan ApplyMsg

// ApplyMsg is one committed command.
type ApplyMsg struct {
	Command      []byte
	CommandIndex protocol.Index
	CommandTerm  protocol.Term
}

// Apply implements StateMachine.
func (ch ApplyChannel) Apply(ctx context.Context, entries []protocol.Entry) error {
	for _, e := range entries {
		if e.Kind != protocol.EntryCommand {
			continue
		}
		select {
		case ch <- ApplyMsg{Command: e.Data, CommandIndex: e.Index, CommandTerm: e.Term}:
		case <-ctx.Done():
			return nil // the replica is ending; what was not received counts for nothing
		}
	}
	return nil
}
