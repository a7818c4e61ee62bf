package raft

import (
	"context"
	"fmt"
	"io"

	"whitewater/pkg/raft/protocol"
)

// ApplyChannel is a StateMachine for programs in the lab's form: it sends committed commands and snapshots to be
// restored, in order, to whoever receives. No-ops are not sent, so with them the indices have gaps. An entry counts as
// applied once it was received. Snapshots are taken by Replica.Snapshot alone: make Options.SnapshotEntries negative.
type ApplyChannel chan ApplyMsg

// ApplyMsg is one committed command or one snapshot.
type ApplyMsg struct {
	CommandValid bool
	Command      []byte
	CommandIndex protocol.Index
	CommandTerm  protocol.Term

	SnapshotValid bool
	Snapshot      []byte
	SnapshotIndex protocol.Index
	SnapshotTerm  protocol.Term
}

// Apply implements StateMachine.
func (ch ApplyChannel) Apply(ctx context.Context, entries []protocol.Entry) error {
	for _, e := range entries {
		if e.Kind == protocol.EntryCommand {
			ch.send(ctx, ApplyMsg{CommandValid: true, Command: e.Data, CommandIndex: e.Index, CommandTerm: e.Term})
		}
	}
	return nil
}

// Snapshot implements StateMachine.
func (ch ApplyChannel) Snapshot() (func(io.Writer) error, error) {
	return nil, fmt.Errorf("%w: who receives from an ApplyChannel takes them; make SnapshotEntries negative", ErrSnapshot)
}

// Restore implements StateMachine.
func (ch ApplyChannel) Restore(ctx context.Context, at protocol.Position, snapshot io.Reader) error {
	data, err := io.ReadAll(snapshot)
	if err != nil {
		return err
	}
	ch.send(ctx, ApplyMsg{SnapshotValid: true, Snapshot: data, SnapshotIndex: at.Index, SnapshotTerm: at.Term})
	return nil
}

// send waits for the receiver, or for the replica's end: what was not received then counts for nothing.
func (ch ApplyChannel) send(ctx context.Context, m ApplyMsg) {
	select {
	case ch <- m:
	case <-ctx.Done():
	}
}
