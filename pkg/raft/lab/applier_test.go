package lab

import (
	"bytes"
	"fmt"

	"whitewater/pkg/raft/blob"
	"whitewater/pkg/raft/protocol"
)

// interval is how many indices apart a service takes its snapshots: at 9, 19, 29, …
const interval = 10

// applier is what stands on one incarnation of a server in part D. Its state is all commands so far. It takes snapshots
// from where it receives: a server that held anything while it hands on a message would hang here.
type applier struct {
	record *record
	judge  *judge
	server int
	rf     *Raft

	last     int // index applied
	commands []any
}

// contents is a snapshot as the service writes it: the same bytes on every server.
type contents struct {
	Index    int
	Commands []any
}

// run applies what comes. Where there is a saved snapshot the server begins with it, or with a newer one that came at
// once from a leader; whoever loads it from the persister besides, as the lab's services do, sees no difference.
func (a *applier) run(applyCh <-chan ApplyMsg, saved []byte) {
	if len(saved) > 0 {
		msg, ok := <-applyCh
		if !ok {
			return
		}
		var c contents
		decode(saved, &c)
		if !msg.SnapshotValid || msg.SnapshotIndex < c.Index || msg.SnapshotIndex == c.Index && !bytes.Equal(msg.Snapshot, saved) {
			a.fail("starts with %v, and a snapshot at %d is saved", head(msg), c.Index)
		}
		a.restore(msg)
		a.record.restored()
	}
	for msg := range applyCh {
		if msg.CommandValid == msg.SnapshotValid {
			a.fail("applied what is no command and no snapshot, or both: %v", head(msg))
		}
		if msg.SnapshotValid {
			a.restore(msg)
		} else {
			a.apply(msg)
		}
	}
}

func head(msg ApplyMsg) string {
	return fmt.Sprintf("command %v at %d, snapshot %v at %d.%d", msg.CommandValid, msg.CommandIndex, msg.SnapshotValid, msg.SnapshotTerm, msg.SnapshotIndex)
}

func (a *applier) fail(format string, args ...any) {
	a.record.fail(fmt.Errorf("server %d "+format, append([]any{a.server}, args...)...))
}

func (a *applier) apply(msg ApplyMsg) {
	if msg.CommandIndex != a.last+1 {
		a.fail("applied out of order: %v after index %d", head(msg), a.last)
	}
	a.last = msg.CommandIndex
	a.commands = append(a.commands, msg.Command)
	a.record.add(a.server, msg)
	if (a.last+1)%interval == 0 {
		data := encode(contents{a.last, a.commands})
		a.record.snapshot(a.server, a.last, data)
		a.rf.Snapshot(a.last, data)
		clear(data) // a server that keeps the caller's bytes shows
	}
}

// restore puts a snapshot in the place of the state. It must take the service forward, and all that it holds must be
// what other servers have applied.
func (a *applier) restore(msg ApplyMsg) {
	var c contents
	decode(msg.Snapshot, &c)
	if c.Index != msg.SnapshotIndex || len(c.Commands) != c.Index || c.Index <= a.last {
		a.fail("has index %d and restored %v, with %d commands up to %d", a.last, head(msg), len(c.Commands), c.Index)
	}
	if term := a.judge.committedTerm(c.Index); msg.SnapshotTerm != term {
		a.fail("restored %v, and that index was committed in term %d", head(msg), term)
	}
	a.record.snapshot(a.server, c.Index, msg.Snapshot)
	for i, command := range c.Commands {
		a.record.add(a.server, ApplyMsg{CommandIndex: i + 1, Command: command})
	}
	a.last, a.commands = c.Index, c.Commands
}

// snapshotRecord is what a record knows of the services' snapshots.
type snapshotRecord struct {
	contents map[int][]byte         // by index
	onDisk   map[int]protocol.Index // per server the index of the snapshot saved last
	limit    int                    // of a saved state, in bytes; 0: none
	restores int
}

// snapshot notes what a server's snapshot at an index holds: the same as every other's there.
func (r *record) snapshot(server, index int, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, ok := r.snapshots.contents[index]; ok && !bytes.Equal(other, data) {
		r.failLocked(fmt.Errorf("server %d: its snapshot at %d differs from another's", server, index))
	}
	r.snapshots.contents[index] = bytes.Clone(data)
}

// saved looks at each save: a server must be able to start from it, its size is bounded, and its snapshot is the
// service's at that index and no older than before.
func (r *record) saved(server int, state, snapshot []byte) {
	_, s, err := blob.Open(&persister{state: state, snapshot: snapshot})
	r.mu.Lock()
	defer r.mu.Unlock()
	at := s.Snapshot.Index
	switch known := &r.snapshots; {
	case err != nil:
		r.failLocked(fmt.Errorf("server %d cannot start from what it saved: %w", server, err))
	case known.limit > 0 && len(state) >= known.limit:
		r.failLocked(fmt.Errorf("server %d saved a state of %d bytes, must be below %d", server, len(state), known.limit))
	case at > 0 && !bytes.Equal(snapshot, known.contents[int(at)]):
		r.failLocked(fmt.Errorf("server %d saved a snapshot at %d that is no service's", server, at))
	case at < known.onDisk[server]:
		r.failLocked(fmt.Errorf("server %d saved a snapshot at %d over one at %d", server, at, known.onDisk[server]))
	case at == 0 && len(snapshot) > 0:
		r.failLocked(fmt.Errorf("server %d saved a snapshot of %d bytes at no index", server, len(snapshot)))
	}
	r.snapshots.onDisk[server] = at
}

// restored notes that a server gave its saved snapshot to its service when it started.
func (r *record) restored() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshots.restores++
}

func (r *record) restores() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshots.restores
}

func (r *record) limitState(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshots.limit = size
}

// lacking is an index up to last that a server has neither applied nor restored; 0: there is none.
func (r *record) lacking(server, last int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for index := 1; index <= last; index++ {
		if _, ok := r.applied[server][index]; !ok {
			return index
		}
	}
	return 0
}
