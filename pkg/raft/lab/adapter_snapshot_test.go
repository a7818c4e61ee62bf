package lab

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// toy is a suite as somebody else may write it: three servers that call each other's methods through gob, wires that
// can be cut, and on each server a service that joins words.
type toy struct {
	t *testing.T

	mu       sync.Mutex // guards all below
	servers  []*Raft    // nil: down
	cut      []bool
	disks    []*persister
	services []*words
}

func (n *toy) call(from, to int, args *Message, reply any) bool {
	n.mu.Lock()
	server, cut := n.servers[to], n.cut[from] || n.cut[to]
	n.mu.Unlock()
	if server == nil || cut {
		return false
	}
	time.Sleep(time.Millisecond)
	var in, out Message
	decode(encode(args), &in)
	server.Receive(&in, &out)
	decode(encode(out), reply)
	return true
}

func (n *toy) start(me int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var peers []callerFunc
	for to := range n.servers {
		peers = append(peers, func(_ string, args, reply any) bool { return n.call(me, to, args.(*Message), reply) })
	}
	applyCh := make(chan ApplyMsg)
	n.servers[me] = Make(peers, me, n.disks[me], applyCh)
	n.services[me] = &words{rf: n.servers[me]}
	go n.services[me].run(applyCh)
}

func (n *toy) crash(me int) {
	n.mu.Lock()
	server := n.servers[me]
	n.servers[me] = nil
	n.mu.Unlock()
	server.Kill()
}

func (n *toy) set(me int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[me] = cut
}

// say has a word agreed on by everybody who is to have it.
func (n *toy) say(word string, by ...int) {
	n.t.Helper()
	for range 200 {
		for _, i := range by {
			n.servers[i].Start(word)
		}
		time.Sleep(50 * time.Millisecond)
		if !slices.ContainsFunc(by, func(i int) bool { return !strings.Contains(n.services[i].text(), word) }) {
			return
		}
	}
	n.t.Fatalf("servers %v do not agree on %q", by, word)
}

// words is a service whose state is all words so far. It takes a snapshot whenever three were added.
type words struct {
	rf *Raft

	mu       sync.Mutex // guards all below
	state    []string
	restored int
}

func (w *words) run(applyCh <-chan ApplyMsg) {
	for msg := range applyCh {
		w.mu.Lock()
		if msg.SnapshotValid {
			w.state, w.restored = strings.Fields(string(msg.Snapshot)), w.restored+1
		} else {
			w.state = append(w.state, msg.Command.(string))
		}
		index, state := len(w.state), []byte(strings.Join(w.state, " "))
		w.mu.Unlock()
		if index%3 == 0 {
			w.rf.Snapshot(index, state)
		}
	}
}

func (w *words) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.state, " ")
}

func onToy(t *testing.T, test func(n *toy)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &toy{t: t, servers: make([]*Raft, 3), cut: make([]bool, 3), services: make([]*words, 3)}
		for range 3 {
			n.disks = append(n.disks, &persister{})
		}
		for i := range 3 {
			n.start(i)
		}
		t.Cleanup(func() {
			for i := range 3 {
				if n.servers[i] != nil {
					n.crash(i)
				}
			}
			time.Sleep(time.Second) // calls that the network still holds end
		})
		test(n)
	})
}

// TestAdapter_SnapshotsOverAToyNetwork: the logs are trimmed, a server that was away gets a snapshot, and all start from
// theirs.
func TestAdapter_SnapshotsOverAToyNetwork(t *testing.T) {
	onToy(t, func(n *toy) {
		n.say("hello", 0, 1, 2)
		n.set(2, true)
		for i := range 20 {
			n.say(fmt.Sprint("word", i, "."), 0, 1)
		}
		n.set(2, false)
		n.say("again", 0, 1, 2)
		if n.services[2].restored == 0 {
			t.Error("server 2 was away for long and got no snapshot")
		}
		for i, disk := range n.disks {
			if size := disk.size(); size > 300 {
				t.Errorf("server %d holds a state of %d bytes", i, size)
			}
		}
		want := n.services[0].text()
		for i := range 3 {
			n.crash(i)
		}
		for i := range 3 {
			n.start(i)
		}
		n.say("end", 0, 1, 2)
		for i, service := range n.services {
			if got := service.text(); !strings.HasPrefix(got, want) || service.restored != 1 {
				t.Errorf("server %d restored %d snapshots and says %q, want %q and more", i, service.restored, got, want)
			}
		}
	})
}

// TestAdapter_SnapshotsAtOnce: the newest of several wins while the persister takes its time, what is not newer, or not
// applied, changes nothing, and nobody keeps the caller's bytes.
func TestAdapter_SnapshotsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := &persister{delay: func() time.Duration { return 10 * time.Millisecond }}
		applyCh := make(chan ApplyMsg)
		rf := Make([]callerFunc{nil}, 0, disk, applyCh)
		time.Sleep(3 * time.Second)
		for i := range 9 {
			rf.Start(i)
		}
		for range 7 { // the server is in the middle of sending the eighth
			<-applyCh
		}
		synctest.Wait()
		var wg sync.WaitGroup
		for index := 1; index <= 7; index++ {
			wg.Go(func() {
				data := fmt.Append(nil, "state ", index)
				rf.Snapshot(index, data)
				clear(data)
			})
			synctest.Wait()
		}
		wg.Wait()
		for _, index := range []int{-1, 0, 3, 7, 10, 1000} {
			rf.Snapshot(index, []byte("not this"))
		}
		if got := string(disk.ReadSnapshot()); got != "state 7" {
			t.Errorf("saved %q", got)
		}
		if msg := <-applyCh; !msg.CommandValid || msg.CommandIndex != 8 {
			t.Errorf("applied %+v", msg)
		}
		rf.Kill()
		rf.Snapshot(8, []byte("too late"))
		if got := string(disk.ReadSnapshot()); got != "state 7" {
			t.Errorf("saved %q after Kill", got)
		}

		again := make(chan ApplyMsg)
		rf = Make([]callerFunc{nil}, 0, disk, again)
		msg := <-again
		if !msg.SnapshotValid || msg.SnapshotIndex != 7 || msg.SnapshotTerm < 1 || string(msg.Snapshot) != "state 7" {
			t.Errorf("starts with %+v", msg)
		}
		rf.Kill()
	})
}

// TestAdapter_KillWhileASnapshotWaits: nobody receives what a server starts with.
func TestAdapter_KillWhileASnapshotWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk, applyCh := &persister{}, make(chan ApplyMsg, 1)
		rf := Make([]callerFunc{nil}, 0, disk, applyCh)
		time.Sleep(3 * time.Second)
		rf.Start("x")
		<-applyCh
		rf.Snapshot(1, []byte("x"))
		rf.Kill()
		unheard := make(chan ApplyMsg)
		rf = Make([]callerFunc{nil}, 0, disk, unheard)
		synctest.Wait()
		rf.Kill()
		if msg, ok := <-unheard; ok {
			t.Errorf("applied %+v after Kill", msg)
		}
	})
}

// TestAdapter_RefusesForeignBytes: Make has no place for an error.
func TestAdapter_RefusesForeignBytes(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("Make took bytes that no server has saved")
		}
	}()
	Make([]callerFunc{nil}, 0, &persister{state: []byte("garbage")}, make(chan ApplyMsg))
}
