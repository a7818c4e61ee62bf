package lab

import (
	"context"
	"encoding/binary"
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
	kill    func()
}

// Make starts server me of those that peers lead to, from what persister holds; it panics on bytes that no Raft has
// saved, as the suite's form has no place for an error. A suite with other timers changes the options.
func Make[C Caller](peers []C, me int, persister Persister, applyCh chan ApplyMsg, change ...func(*raft.Options)) *Raft {
	gob.Register(protocol.AppendEntriesRequest{})
	gob.Register(protocol.AppendEntriesReply{})
	gob.Register(protocol.RequestVoteRequest{})
	gob.Register(protocol.RequestVoteReply{})
	h := &host{persister: persister, applyCh: applyCh, peers: map[protocol.NodeID]Caller{}, saved: make([]protocol.Entry, 1)}
	o := raft.Options{
		Transport: h, Storage: h, StateMachine: h, Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		HeartbeatInterval: 110 * time.Millisecond, ElectionTimeout: 500 * time.Millisecond,
		RPCTimeout: time.Second, MaxPending: 1 << 20, DisableNoop: true, DisableCheckQuorum: true,
	}
	for server, peer := range peers {
		o.Members = append(o.Members, protocol.NodeID(strconv.Itoa(server)))
		h.peers[o.Members[server]] = peer
	}
	o.ID, h.id, o.State = o.Members[me], o.Members[me], h.load()
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

// host is the suite's network, disk and apply channel, as a replica wants them.
type host struct {
	id                protocol.NodeID
	peers             map[protocol.NodeID]Caller
	persister         Persister
	saved             []protocol.Entry // the log; in its place 0 term and vote
	applyCh           chan<- ApplyMsg
	raft.ApplyChannel // its Snapshot and Restore, never called without Options.Snapshots
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

// Persist implements raft.Storage: the persister gets the whole state at each save.
func (h *host) Persist(batches ...protocol.Persist) error {
	for _, b := range batches {
		h.saved[0] = protocol.Entry{Term: b.HardState.Term, Data: []byte(b.HardState.VotedFor)}
		for _, e := range b.Entries {
			h.saved = append(h.saved[:e.Index], e)
		}
	}
	state := make([]byte, 0, 32*len(h.saved))
	for _, e := range h.saved {
		state = binary.AppendUvarint(binary.AppendUvarint(state, uint64(e.Term)), uint64(len(e.Data)))
		state = append(state, e.Data...)
	}
	h.persister.SaveRaftState(state)
	return nil
}

func (h *host) load() protocol.State {
	state := h.persister.ReadRaftState()
	for i := 0; len(state) > 0; i++ {
		term, n := binary.Uvarint(state)
		size, m := binary.Uvarint(state[n:])
		e := protocol.Entry{Index: protocol.Index(i), Term: protocol.Term(term), Data: state[n+m:][:size]}
		h.saved, state = append(h.saved[:i], e), state[n+m:][size:]
	}
	hard := protocol.HardState{Term: h.saved[0].Term, VotedFor: protocol.NodeID(h.saved[0].Data)}
	return protocol.State{HardState: hard, Entries: h.saved[1:]}
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
