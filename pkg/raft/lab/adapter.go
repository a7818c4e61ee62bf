package lab

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/blob"
	"whitewater/pkg/raft/protocol"
)

// Raft is one server of the suite.
type Raft struct {
	replica *raft.Replica
	kill    func()
}

// Make starts server me of those that peers lead to, from what persister holds; it panics on bytes that no Raft has
// saved, as the suite's form has no place for an error. A suite with other timers changes the options.
func Make[C Caller](peers []C, me int, persister Persister, applyCh chan ApplyMsg, change ...func(*raft.Options)) *Raft {
	register(
		protocol.AppendEntriesRequest{}, protocol.AppendEntriesReply{}, protocol.RequestVoteRequest{}, protocol.RequestVoteReply{},
		protocol.InstallSnapshotRequest{}, protocol.InstallSnapshotReply{}, protocol.TimeoutNowRequest{}, protocol.TimeoutNowReply{},
	)
	disk, state, err := blob.Open(persister)
	if err != nil {
		panic(err)
	}
	h := &host{applyCh: applyCh, peers: map[protocol.NodeID]Caller{}}
	o := raft.Options{
		Transport: h, Storage: disk, Snapshots: disk, State: state, StateMachine: h,
		Rand:              rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		HeartbeatInterval: 110 * time.Millisecond, ElectionTimeout: 500 * time.Millisecond,
		RPCTimeout: time.Second, MaxPending: 1 << 20, DisableNoop: true, DisableCheckQuorum: true,
		SnapshotEntries: -1, SnapshotKeep: -1, MaxSnapshotSenders: len(peers),
	}
	for server, peer := range peers {
		o.Members = append(o.Members, protocol.NodeID(strconv.Itoa(server)))
		h.peers[o.Members[server]] = peer
	}
	o.ID, h.id = o.Members[me], o.Members[me]
	for _, c := range change {
		c(&o)
	}
	replica, err := raft.New(o)
	if err != nil {
		panic(err)
	}
	return &Raft{replica, sync.OnceFunc(func() { replica.Kill(); close(applyCh) })}
}

// Start appends command if this server leads, and tells where it will be applied if it ever is. It waits for
// nothing. The command's type must be known to gob.
func (rf *Raft) Start(command any) (index, term int, isLeader bool) {
	i, t, isLeader := rf.replica.Start(encode(&command))
	return int(i), int(t), isLeader
}

// GetState tells the current term and whether this server takes itself for its leader.
func (rf *Raft) GetState() (int, bool) {
	term, isLeader := rf.replica.GetState()
	return int(term), isLeader
}

// Snapshot gives the service's state as it is after index: the log up to there is dropped. It returns when that is
// saved, and may be called from where applied messages are received. What is not newer than the last one is ignored.
func (rf *Raft) Snapshot(index int, snapshot []byte) {
	_ = rf.replica.Snapshot(protocol.Index(index), slices.Clone(snapshot)) // the suite's form has no place for an error
}

// Kill ends the server, and then closes the apply channel.
func (rf *Raft) Kill() { rf.kill() }

// Message is a request or a reply on the suite's network. A reply without a body is that of a killed server.
type Message struct {
	From protocol.NodeID
	Body protocol.Body
}

// Receive is the one method that peers call. It returns when all that its reply acknowledges is saved.
func (rf *Raft) Receive(args, reply *Message) {
	reply.Body, _ = rf.replica.Receive(args.From, args.Body).Wait(context.Background())
}

// host is the suite's network and apply channel, as a replica wants them.
type host struct {
	id      protocol.NodeID
	peers   map[protocol.NodeID]Caller
	applyCh chan<- ApplyMsg
}

// Call implements raft.Transport. It ends with ctx; what the network still holds is left to itself.
func (h *host) Call(ctx context.Context, to protocol.NodeID, body protocol.Body, written func()) (protocol.Body, error) {
	written()
	replies := make(chan protocol.Body, 1)
	go func() {
		defer close(replies)
		var reply Message
		if h.peers[to].Call("Raft.Receive", &Message{h.id, body}, &reply) {
			replies <- reply.Body
		}
	}()
	select {
	case reply := <-replies:
		if reply != nil {
			return reply, nil
		}
	case <-ctx.Done():
	}
	return nil, errors.New("the call got no reply")
}

// Apply implements raft.StateMachine.
func (h *host) Apply(ctx context.Context, entries []protocol.Entry) error {
	for _, e := range entries {
		msg := ApplyMsg{CommandValid: true, CommandIndex: int(e.Index)}
		decode(e.Data, &msg.Command)
		h.send(ctx, msg)
	}
	return nil
}

// Restore implements raft.StateMachine.
func (h *host) Restore(ctx context.Context, at protocol.Position, snapshot io.Reader) error {
	data, err := io.ReadAll(snapshot)
	if err == nil {
		h.send(ctx, ApplyMsg{SnapshotValid: true, Snapshot: data, SnapshotTerm: int(at.Term), SnapshotIndex: int(at.Index)})
	}
	return err
}

// Snapshot implements raft.StateMachine. It is never called: the service itself takes the snapshots.
func (h *host) Snapshot() (func(io.Writer) error, error) { return nil, raft.ErrSnapshot }

func (h *host) send(ctx context.Context, msg ApplyMsg) {
	select {
	case h.applyCh <- msg:
	case <-ctx.Done():
	}
}
