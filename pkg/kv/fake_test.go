package kv

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

// fakeReplica is a cluster of one in memory: it commits and applies what is proposed, unless held.
type fakeReplica struct {
	machine *Machine
	work    chan struct{}
	done    chan struct{}
	ended   chan struct{}

	mu         sync.Mutex // guards the rest
	state      raft.Status
	log        []protocol.Entry // from index 1, compacted entries too
	held       bool
	proposeErr error
	readErr    error
	snapErr    error
	snapshots  int
	transfer   func(to protocol.NodeID) error               // what a transfer does
	members    func(context.Context, protocol.Change) error // what a change of members does
	err        error
}

func newFakeReplica(t *testing.T, machine *Machine) *fakeReplica {
	f := &fakeReplica{
		machine: machine,
		work:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		ended:   make(chan struct{}),
		state: raft.Status{
			ID: "n1", Role: protocol.Leader, Term: 3, Leader: "n1", LeaderURL: "http://n1.test",
			Configuration: protocol.Bootstrap([]protocol.NodeID{"n1", "n2", "n3"}),

			ConfigurationCommitted: true,
		},
	}
	go f.run()
	t.Cleanup(func() {
		f.change(func() { f.held = false })
		f.kill()
		<-f.ended
	})
	return f
}

func (f *fakeReplica) run() {
	defer close(f.ended)
	for {
		select {
		case <-f.work:
		case <-f.done:
			return
		}
		f.mu.Lock()
		var batch []protocol.Entry
		if !f.held {
			batch = f.log[f.state.AppliedIndex:]
			f.state.DurableIndex = f.state.LastIndex
			f.state.CommitIndex = max(f.state.CommitIndex, f.state.LastIndex)
		}
		f.mu.Unlock()
		if len(batch) == 0 {
			continue
		}
		err := f.machine.Apply(context.Background(), batch)
		f.mu.Lock()
		f.err = err
		f.state.AppliedIndex = batch[len(batch)-1].Index
		f.mu.Unlock()
	}
}

// change changes the fake under its lock.
func (f *fakeReplica) change(do func()) {
	f.mu.Lock()
	do()
	f.mu.Unlock()
	f.wake()
}

func (f *fakeReplica) wake() {
	select {
	case f.work <- struct{}{}:
	default:
	}
}

func (f *fakeReplica) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.done:
	default:
		close(f.done)
	}
}

func (f *fakeReplica) Propose(command []byte) (protocol.Position, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.proposeErr != nil {
		return protocol.Position{}, f.proposeErr
	}
	if f.state.Role != protocol.Leader {
		return protocol.Position{}, raft.ErrNotLeader
	}
	at := protocol.Position{Term: f.state.Term, Index: protocol.Index(len(f.log) + 1)}
	f.log = append(f.log, protocol.Entry{Index: at.Index, Term: at.Term, Data: command})
	f.state.LastIndex = at.Index
	f.wake()
	return at, nil
}

// overwrite replaces the unapplied entries by one of another leader, as a lost leadership does.
func (f *fakeReplica) overwrite() {
	f.change(func() {
		f.log = append(f.log[:f.state.AppliedIndex:f.state.AppliedIndex], protocol.Entry{
			Index: f.state.AppliedIndex + 1, Term: f.state.Term + 1, Kind: protocol.EntryNoop,
		})
		f.state.LastIndex = f.state.AppliedIndex + 1
		f.held = false
	})
}

func (f *fakeReplica) ReadIndex(ctx context.Context) (protocol.Index, error) {
	f.mu.Lock()
	held, err, index := f.held, f.readErr, f.state.CommitIndex
	f.mu.Unlock()
	if held {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return index, err
}

func (f *fakeReplica) Status() raft.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fakeReplica) Entries(from protocol.Index, limit int) []protocol.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	if from = max(from, f.state.FirstIndex, 1); from > protocol.Index(len(f.log)) {
		return nil
	}
	entries := f.log[from-1:]
	return entries[:min(limit, len(entries))]
}

func (f *fakeReplica) TakeSnapshot() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.snapErr == nil {
		f.snapshots++
	}
	return f.snapErr
}

// install has the applier restore a leader's snapshot of the entries up to index, whatever the log held.
func (f *fakeReplica) install(t *testing.T, at protocol.Position, data []byte) {
	t.Helper()
	if err := f.machine.Restore(context.Background(), at, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	f.change(func() {
		f.log = make([]protocol.Entry, at.Index)
		f.state.FirstIndex, f.state.LastIndex, f.state.DurableIndex = at.Index+1, at.Index, at.Index
		f.state.CommitIndex, f.state.AppliedIndex = at.Index, at.Index
		f.held = false
	})
}

func (f *fakeReplica) TransferLeadership(ctx context.Context, to protocol.NodeID) error {
	f.mu.Lock()
	transfer := f.transfer
	f.mu.Unlock()
	if transfer == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return transfer(to)
}

func (f *fakeReplica) ChangeMembers(ctx context.Context, change protocol.Change) error {
	f.mu.Lock()
	members := f.members
	f.mu.Unlock()
	if members == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return members(ctx, change)
}

func (f *fakeReplica) Done() <-chan struct{} { return f.done }

func (f *fakeReplica) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// node is a service over a fake replica.
type node struct {
	*Service
	replica *fakeReplica
}

func newNode(t *testing.T, options Options) *node {
	t.Helper()
	machine := NewMachine()
	replica := newFakeReplica(t, machine)
	options.Cluster = "c1"
	if options.RequestTimeout == 0 {
		options.RequestTimeout = 10 * time.Second
	}
	service, err := NewService(machine, replica, options)
	if err != nil {
		t.Fatal(err)
	}
	return &node{Service: service, replica: replica}
}

// do sends one request; headers are name, value pairs.
func (n *node) do(method, target, body string, headers ...string) *http.Response {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	n.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// want checks an answer's status and that its body contains a text, and returns the body.
func want(t *testing.T, resp *http.Response, status int, contains string) string {
	t.Helper()
	body := text(t, resp)
	if resp.StatusCode != status || !strings.Contains(body, contains) {
		t.Fatalf("got %d %s, want %d with %q", resp.StatusCode, body, status, contains)
	}
	return body
}
