package lab

import (
	"bytes"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"whitewater/pkg/raft/protocol"
)

// TestAdapter_IsSmall: an embedding fits on three screens.
func TestAdapter_IsSmall(t *testing.T) {
	source, err := os.ReadFile("adapter.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(source, []byte("\n")); lines > 150 {
		t.Errorf("adapter.go has %d lines, at most 150", lines)
	}
}

// TestAdapter_ReflectsAsAService: a suite's RPC package finds the handler by its shape, two pointers and no result.
func TestAdapter_ReflectsAsAService(t *testing.T) {
	raft := reflect.TypeFor[*Raft]()
	method, ok := raft.MethodByName("Receive")
	if !ok || raft.Elem().Name() != "Raft" || method.Type.NumIn() != 3 || method.Type.NumOut() != 0 {
		t.Fatalf("%v %v is no handler for Raft.Receive", raft, method.Type)
	}
	for i := 1; i < 3; i++ {
		if in := method.Type.In(i); in.Kind() != reflect.Pointer || in.Elem() != reflect.TypeFor[Message]() {
			t.Errorf("argument %d of Raft.Receive is a %v", i, in)
		}
	}
}

// TestAdapter_BytesPerEntry is what the suite's bounds on a state's size leave: 70 bytes for an entry with a number.
func TestAdapter_BytesPerEntry(t *testing.T) {
	var command any = int(1) << 62
	if size := len(encode(&command)) + 4; size > 30 {
		t.Errorf("an entry with a number takes %d bytes, want at most 30", size)
	}
}

// TestAdapter_KillEndsEverything: also while nobody receives what was applied, and while calls hang.
func TestAdapter_KillEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // not in parallel: it looks at all goroutines
		applyCh := make(chan ApplyMsg)
		hung := &hungCaller{release: make(chan struct{})}
		alone := Make([]Caller{hung}, 0, &persister{}, applyCh)
		three := Make([]Caller{hung, hung, hung}, 1, &persister{}, make(chan ApplyMsg))
		time.Sleep(3 * time.Second)
		if index, term, leads := alone.Start("never received"); index != 1 || term < 1 || !leads {
			t.Fatalf("Start on a cluster of one = %d, %d, %v", index, term, leads)
		}
		began := time.Now()
		for range 2 {
			alone.Kill()
			three.Kill()
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("Kill waited %v", took)
		}
		if msg, ok := <-applyCh; ok {
			t.Errorf("applied %+v after Kill", msg)
		}
		for _, rf := range []*Raft{alone, three} {
			if _, _, leads := rf.Start("x"); leads {
				t.Error("a killed server took a command")
			}
			reply := Message{}
			rf.Receive(&Message{From: "2", Body: protocol.RequestVoteRequest{Term: 99, CandidateID: "2"}}, &reply)
			if reply.Body != nil {
				t.Errorf("a killed server answered %+v", reply)
			}
		}
		synctest.Wait()
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if bytes.Contains(stacks, []byte("raft.(*Replica)")) || !bytes.Contains(stacks, []byte("(*hungCaller).Call")) {
			t.Errorf("only hung calls may be left after Kill:\n%s", stacks)
		}
		close(hung.release)
	})
}

// hungCaller never answers before it is released.
type hungCaller struct{ release chan struct{} }

func (c *hungCaller) Call(string, any, any) bool {
	<-c.release
	return false
}

// TestAdapter_CallsThatFailLeaveNothing: a call that filled its reply and then failed counts for nothing.
func TestAdapter_CallsThatFailLeaveNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		liar := callerFunc(func(_ string, _, reply any) bool {
			*reply.(*Message) = Message{Body: protocol.RequestVoteReply{VoteGranted: true}}
			return false
		})
		rf := Make([]callerFunc{liar, liar, liar}, 0, &persister{}, make(chan ApplyMsg))
		time.Sleep(10 * time.Second)
		if term, leads := rf.GetState(); leads || term != 0 {
			t.Errorf("failed calls made a leader in term %d", term)
		}
		rf.Kill()
	})
}

// callerFunc is a Caller, and stands for a suite's own type: Make takes a slice of any.
type callerFunc func(method string, args, reply any) bool

func (f callerFunc) Call(method string, args, reply any) bool {
	return strings.HasPrefix(method, "Raft.") && f(method, args, reply)
}
