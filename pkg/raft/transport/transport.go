package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/wire"
)

// Options configure a Transport. A zero field means the default that it names.
type Options struct {
	Cluster   string
	ID        protocol.NodeID
	Directory string                     // id of the data directory
	Peers     map[protocol.NodeID]string // host:port where this node dials each, whatever SetMembers says

	DialTimeout time.Duration // 1 s
	BackoffMax  time.Duration // longest pause between dials; 100 ms, so that a peer that is back is soon found
	Linger      time.Duration // how long a peer can still be called that is no member any more; 2 s
	Limits      wire.Limits   // see there
	Logger      *slog.Logger  // nil discards
	Metrics     *Metrics      // nil: none
	Mutation    protocol.Mutation
}

// Transport carries requests to peers and from them. It is a raft.Transport.
type Transport struct {
	opts    Options
	callers callers
	server  *wire.Server

	receiver Receiver // set by Serve, before any connection

	mu       sync.Mutex // guards all down to closed
	used     used
	links    map[protocol.NodeID]*link
	mistakes map[protocol.NodeID]error // told already: why calls to a peer are in vain
	closed   bool

	dropping sync.WaitGroup // links that were dropped and are being closed
}

// New returns a transport that calls peers; Serve, once, makes it serve them. Close must be called.
func New(opts Options) *Transport {
	if opts.BackoffMax == 0 {
		opts.BackoffMax = 100 * time.Millisecond
	}
	if opts.Linger == 0 {
		opts.Linger = 2 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Transport{
		opts:    opts,
		callers: callers{conns: make(map[*wire.Conn]protocol.NodeID)},
		links:   make(map[protocol.NodeID]*link), mistakes: make(map[protocol.NodeID]error),
	}
	t.SetMembers(nil)
	t.server = wire.NewServer(wire.ServerOptions{
		Limits: opts.Limits, Codes: codes, OnClose: t.connectionClosed, Logger: opts.Logger, Metrics: opts.Metrics.server(),
	})
	return t
}

func (t *Transport) newClient(id protocol.NodeID, address string, metrics wire.ClientMetrics) *wire.Client {
	return wire.NewClient(wire.ClientOptions{
		Address: address, DialTimeout: t.opts.DialTimeout, BackoffMax: t.opts.BackoffMax,
		Limits: t.opts.Limits, Codes: codes,
		Logger: t.opts.Logger.With("peer", string(id)), Metrics: metrics,
	})
}

// Call implements raft.Transport. Beside package wire's errors: ErrNoAddress, ErrWrongCluster, ErrWrongReceiver,
// ErrStopping. What only a person can mend is logged, once.
func (t *Transport) Call(ctx context.Context, to protocol.NodeID, request protocol.Body, written func()) (protocol.Body, error) {
	reply, err := t.call(ctx, to, request, written)
	t.note(to, err)
	if err == nil && t.opts.Mutation.Is("reply-reused") {
		t.mu.Lock()
		defer t.mu.Unlock()
		reply = t.used.reuse(to, reply)
	}
	return reply, err
}

// note logs the first of a row of calls to a peer that fail for a wrong setting.
func (t *Transport) note(to protocol.NodeID, err error) {
	mistake := error(nil)
	for _, m := range []error{ErrNoAddress, ErrWrongCluster, ErrWrongReceiver} {
		if errors.Is(err, m) {
			mistake = m
		}
	}
	if err != nil && mistake == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	told := t.mistakes[to]
	if mistake == nil {
		delete(t.mistakes, to)
	} else if t.mistakes[to] = mistake; told != mistake {
		t.opts.Logger.Warn("calls to a peer are in vain: correct its address here or the settings there", "peer", string(to), "err", err)
	}
}

func (t *Transport) call(ctx context.Context, to protocol.NodeID, request protocol.Body, written func()) (protocol.Body, error) {
	link, err := t.begin(to)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", to, err)
	}
	defer link.calls.Done()
	client := link.control
	header := Header{Cluster: t.opts.Cluster, From: t.opts.ID, To: to, Directory: t.opts.Directory}
	switch request := request.(type) {
	case protocol.AppendEntriesRequest:
		return callFor[protocol.AppendEntriesReply](ctx, client, appendEntries, AppendEntriesArgs{header, request}, written)
	case protocol.RequestVoteRequest:
		return callFor[protocol.RequestVoteReply](ctx, client, requestVote, RequestVoteArgs{header, request}, written)
	case protocol.ConfirmLeaderRequest:
		return callFor[protocol.ConfirmLeaderReply](ctx, client, confirmLeader, ConfirmLeaderArgs{header, request}, written)
	case protocol.ReadIndexRequest:
		return callFor[protocol.ReadIndexReply](ctx, client, readIndex, ReadIndexArgs{header, request}, written)
	case protocol.InstallSnapshotRequest:
		return callFor[protocol.InstallSnapshotReply](ctx, link.bulk, installSnapshot, InstallSnapshotArgs{header, request}, written)
	case protocol.TimeoutNowRequest:
		return callFor[protocol.TimeoutNowReply](ctx, client, timeoutNow, TimeoutNowArgs{header, request}, written)
	}
	return nil, fmt.Errorf("call %s: %T is no request", to, request)
}

// callFor makes one call, with a reply value of its own: decoding leaves absent fields as they were.
func callFor[R protocol.Body](ctx context.Context, client *wire.Client, method string, args any, written func()) (protocol.Body, error) {
	var reply R
	if err := client.Call(ctx, method, args, &reply, written); err != nil {
		return nil, err
	}
	return reply, nil
}

// Serve serves peers' requests from listener until Close; then it returns nil.
func (t *Transport) Serve(listener net.Listener, receiver Receiver) error {
	t.receiver = receiver
	if err := t.server.Register("Raft", &Service{t, receiver}); err != nil {
		return fmt.Errorf("serve peers: %w", err)
	}
	if err := t.server.Serve(listener); !errors.Is(err, wire.ErrServerClosed) {
		return fmt.Errorf("serve peers on %s: %w", listener.Addr(), err)
	}
	return nil
}

// connectionClosed tells the replica of a peer whose last connection has ended.
func (t *Transport) connectionClosed(conn *wire.Conn) {
	if from := t.callers.closed(conn); from != "" {
		t.receiver.ConnectionLost(from)
	}
}

// Close ends all calls and connections, in both directions, and waits for what it started.
func (t *Transport) Close() error {
	errs := []error{t.server.Close()}
	t.mu.Lock()
	t.closed = true
	links := t.links
	t.mu.Unlock()
	for _, l := range links { // SetMembers leaves them alone from now on
		if l.departs != nil {
			l.departs.Stop()
		}
		errs = append(errs, l.close())
	}
	t.dropping.Wait()
	return errors.Join(errs...)
}
