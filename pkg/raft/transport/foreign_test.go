package transport

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// TestForeignClient_RequestsAVote calls a node from another language, without net/rpc or a MessagePack library.
func TestForeignClient_RequestsAVote(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("needs Node.js: ", err)
	}
	members := startMembers(t, "n1", "n2")
	term := members["n1"].replica.Status().Term + 1000
	host, port, err := net.SplitHostPort(members["n1"].listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), node, "testdata/requestvote.js", host, port, "c", "n2", "n1", fmt.Sprint(term)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	frame, err := wire.ParseFrame(raw)
	if err != nil || frame.Kind != wire.Response || frame.ID != 42 || frame.Failed() {
		t.Fatalf("frame %+v, %v", frame, err)
	}
	for _, name := range []string{"Term", "VoteGranted"} {
		if _, ok := wire.Field(frame.Body, name); !ok {
			t.Errorf("the reply %x has no field %s", frame.Body, name)
		}
	}
}

// lines collects log lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// TestGarbage_EndsItsConnectionAlone: whatever comes in place of a frame costs that connection, one line of
// log, and nothing else.
func TestGarbage_EndsItsConnectionAlone(t *testing.T) {
	for name, garbage := range map[string]string{
		"noise":     "\xff\xfe\xfd\xfc",
		"HTTP":      "GET / HTTP/1.1\r\nHost: n1\r\n\r\n",
		"oversized": "\x94\x00\x01\xb2Raft.AppendEntries\x91\xc6\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			log := &lines{}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			transport := New(Options{Cluster: "c", ID: "n1", Logger: slog.New(slog.NewTextHandler(log, nil))})
			replica, err := raft.New(raft.Options{
				ID: "n1", Members: []protocol.NodeID{"n1"}, Storage: memory{}, StateMachine: make(raft.ApplyChannel, 100),
				Rand: rand.New(rand.NewPCG(1, 1)),
			})
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- transport.Serve(listener, replica) }()

			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, garbage); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(conn)
			if len(answer) > 0 || isTimeout(err) {
				t.Errorf("the connection answered %q, %v; want its end", answer, err)
			}
			if replica.Killed() {
				t.Errorf("the node stopped: %v", replica.Err())
			}
			replica.Kill()
			if err := transport.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
			if got := strings.Count(log.text.String(), "\n"); got != 1 {
				t.Errorf("%d lines of log, want 1:\n%s", got, log.text.String())
			}
		})
	}
}

func isTimeout(err error) bool {
	netErr, ok := errors.AsType[net.Error](err)
	return ok && netErr.Timeout()
}
