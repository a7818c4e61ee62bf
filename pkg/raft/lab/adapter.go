package lab

import (
	"context"
	"encoding/gob"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// Raft is one server of the suite.
type Raft struct {
	replica *raft.Replica
	applyCh chan ApplyMsg
	closing sync.Once
}

// Make starts server me of those that peers lead to, from what persister holds. It panics on bytes that no Raft
// has saved: the suite's form has no place for an error.
func Make[C Caller](peers []C, me int, persister Persister, applyCh chan ApplyMsg) *Raft {
	return newRaft(peers, me, persister, applyCh, func(*raft.Options) {})
}

func newRaft[C Caller](peers []C, me int, persister Persister, applyCh chan ApplyMsg, change func(*raft.Options)) *Raft {
	gob.Register(protocol.AppendEntriesRequest{})
	gob.Register(protocol.AppendEntriesReply{})
	gob.Register(protocol.RequestVoteRequest{})
	gob.Register(protocol.RequestVoteReply{})
	h := &host{persister: persister, applyCh: applyCh, peers: map[protocol.NodeID]Caller{}}
	o := raft.Options{
		Transport: h, Storage: h, StateMachine: h, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		HeartbeatInterval: 110 * time.Millisecond, ElectionTimeout: 500 * time.Millisecond,
		MaxPending: 1 << 20, DisableNoop: true, DisableCheckQuorum: true,
	}
	for server, peer := range peers {
		o.Members = append(o.Members, protocol.NodeID(strconv.Itoa(server)))
		h.peers[o.Members[server]] = peer
	}
	o.ID, h.id = o.Members[me], o.Members[me]
	if state := persister.ReadRaftState(); len(state) > 0 {
		decode(state, &h.saved)
	}
	o.State = h.saved
	change(&o)
	replica, err := raft.New(o)
	if err != nil {
		panic(err)
	}
	return &Raft{replica: replica, applyCh: applyCh}
}

// Start appends command if this server leads, and tells where it will be applied if it ever is. It waits for
// nothing. The command's type must be known to encoding/gob.
func (rf *Raft) Start(command any) (index, term int, isLeader bool) {
	i, t, isLeader := rf.replica.Start(encode(&command))
	return int(i), int(t), isLeader
}

// GetState tells the current term and whether this server takes itself for its leader.
func (rf *Raft) GetState() (term int, isLeader bool) {
	t, isLeader := rf.replica.GetState()
	return int(t), isLeader
}

// Kill ends the server, and then closes the apply channel.
func (rf *Raft) Kill() {
	rf.replica.Kill()
	rf.closing.Do(func() { close(rf.applyCh) })
}

// Message is a request or a reply on the suite's network. A reply without a body is that of a killed server.
type Message struct {
	From protocol.NodeID
	Body protocol.Body
}

// Receive is the one method that peers call. It returns when all that its reply acknowledges is saved.
func (rf *Raft) Receive(args, reply *Message) {
	reply.Body, _ = rf.replica.Receive(args.From, args.Body).Wait(context.Background())
}

// host is the suite's network, disk and apply channel, as a replica wants them.
type host struct {
	id        protocol.NodeID
	peers     map[protocol.NodeID]Caller
	persister Persister
	saved     protocol.State
	applyCh   chan<- ApplyMsg
}

// Call implements raft.Transport. It ends with ctx; what the network still holds is then left to itself.
func (h *host) Call(ctx context.Context, to protocol.NodeID, body protocol.Body, written func()) (protocol.Body, error) {
	written()
	replies := make(chan protocol.Body, 1)
	go func() {
		var reply Message
		h.peers[to].Call("Raft.Receive", &Message{h.id, body}, &reply)
		replies <- reply.Body
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

// Persist implements raft.Storage: the persister gets the whole state at each save.
func (h *host) Persist(batches ...protocol.Persist) error {
	for _, b := range batches {
		h.saved.HardState = b.HardState
		for _, e := range b.Entries {
			h.saved.Entries = append(h.saved.Entries[:e.Index-1], e)
		}
	}
	h.persister.SaveRaftState(encode(h.saved))
	return nil
}

// Apply implements raft.StateMachine.
func (h *host) Apply(ctx context.Context, entries []protocol.Entry) error {
	for _, e := range entries {
		msg := ApplyMsg{CommandValid: true, CommandIndex: int(e.Index)}
		decode(e.Data, &msg.Command)
		select {
		case h.applyCh <- msg:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
