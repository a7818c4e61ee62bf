package transport

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"whitewater/pkg/raft"
	"whitewater/pkg/raft/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// member is a replica behind a real transport.
type member struct {
	replica   *raft.Replica
	transport *Transport
	listener  net.Listener
	applied   raft.ApplyChannel
	served    chan error
}

type memory struct{}

func (memory) Persist(...protocol.Persist) error { return nil }

// startMembers starts replicas that call each other over loopback sockets.
func startMembers(t *testing.T, ids ...protocol.NodeID) map[protocol.NodeID]*member {
	t.Helper()
	members, peers := map[protocol.NodeID]*member{}, map[protocol.NodeID]string{}
	for _, id := range ids {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		members[id] = &member{listener: listener, applied: make(raft.ApplyChannel, 100), served: make(chan error, 1)}
		peers[id] = listener.Addr().String()
	}
	for i, id := range ids {
		m := members[id]
		m.transport = New(Options{Cluster: "c", ID: id, Directory: "d-" + string(id), Peers: peers, Metrics: NewMetrics(prometheus.NewRegistry())})
		replica, err := raft.New(raft.Options{
			ID: id, Members: ids, Transport: m.transport, Storage: memory{}, StateMachine: m.applied,
			Rand: rand.New(rand.NewPCG(uint64(i), 1)),
		})
		if err != nil {
			t.Fatal(err)
		}
		m.replica = replica
		go func() { m.served <- m.transport.Serve(m.listener, replica) }()
	}
	t.Cleanup(func() {
		for _, m := range members {
			m.stop(t)
		}
	})
	return members
}

func (m *member) stop(t *testing.T) {
	if m.replica.Killed() {
		return
	}
	m.replica.Kill()
	if err := m.transport.Close(); err != nil {
		t.Error(err)
	}
	if err := <-m.served; err != nil {
		t.Error(err)
	}
}

// awaitLeader returns the member that all others of the running ones follow.
func awaitLeader(t *testing.T, members map[protocol.NodeID]*member) protocol.NodeID {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, m := range members {
		for !m.replica.Killed() {
			select {
			case change := <-m.replica.Leadership():
				if change.Leader != "" && !members[change.Leader].replica.Killed() {
					return change.Leader
				}
				continue
			case <-ctx.Done():
				t.Fatal("no leader")
			}
		}
	}
	t.Fatal("no member runs")
	return ""
}

// TestTransport_CarriesACluster replicates over real sockets, and replaces a leader whose sockets close.
func TestTransport_CarriesACluster(t *testing.T) {
	members := startMembers(t, "n1", "n2", "n3")
	leader := awaitLeader(t, members)
	for i := range 50 {
		if _, err := members[leader].replica.Propose([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for id, m := range members {
		for i := range 50 {
			if got := <-m.applied; got.Command[0] != byte(i) {
				t.Fatalf("%s applied %d in place of %d", id, got.Command[0], i)
			}
		}
	}
	members[leader].stop(t)
	if next := awaitLeader(t, members); next == leader {
		t.Errorf("%s leads and has stopped", next)
	}
}

func TestTransport_RefusesWhatIsNotMeantForIt(t *testing.T) {
	members := startMembers(t, "n1")
	address := members["n1"].listener.Addr().String()
	for _, c := range []struct {
		name    string
		options Options
		to      protocol.NodeID
		want    error
	}{
		{"another cluster", Options{Cluster: "other", ID: "n2", Peers: map[protocol.NodeID]string{"n1": address}}, "n1", ErrWrongCluster},
		{"another member", Options{Cluster: "c", ID: "n2", Peers: map[protocol.NodeID]string{"n3": address}}, "n3", ErrWrongReceiver},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller := New(c.options)
			defer caller.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := caller.Call(ctx, c.to, protocol.RequestVoteRequest{Term: 99, CandidateID: "n2"}, func() {})
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	if status := members["n1"].replica.Status(); status.Term >= 99 {
		t.Errorf("a refused request moved the term to %d", status.Term)
	}
}

func TestTransport_UnknownPeer(t *testing.T) {
	caller := New(Options{ID: "n1"})
	defer caller.Close()
	if _, err := caller.Call(t.Context(), "n9", protocol.ConfirmLeaderRequest{}, nil); err == nil || !strings.Contains(err.Error(), "n9") {
		t.Errorf("error %v", err)
	}
}

// TestWirePage holds docs/wire.md to the messages: it names every field of each.
func TestWirePage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	for method, message := range map[string][]any{
		appendEntries: {AppendEntriesArgs{}, protocol.AppendEntriesReply{}, protocol.Entry{}},
		requestVote:   {RequestVoteArgs{}, protocol.RequestVoteReply{}},
		confirmLeader: {ConfirmLeaderArgs{}, protocol.ConfirmLeaderReply{}},
		readIndex:     {ReadIndexArgs{}, protocol.ReadIndexReply{}},

		installSnapshot: {InstallSnapshotArgs{}, protocol.InstallSnapshotReply{}},
		timeoutNow:      {TimeoutNowArgs{}, protocol.TimeoutNowReply{}},
	} {
		_, section, found := strings.Cut(string(page), "### `"+method+"`")
		if !found {
			t.Errorf("the page has no section about %s", method)
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		for _, value := range message {
			for _, field := range fieldsOf(reflect.TypeOf(value)) {
				if !strings.Contains(section, "`"+field+"`") && !strings.Contains(string(page), "`"+field+"`") {
					t.Errorf("%s: the page does not name the field %s", method, field)
				}
			}
		}
	}
}

// fieldsOf lists the names that a message's fields have on the wire.
func fieldsOf(message reflect.Type) []string {
	var fields []string
	for i := range message.NumField() {
		switch field := message.Field(i); {
		case field.Anonymous:
			fields = append(fields, fieldsOf(field.Type)...)
		case field.IsExported():
			fields = append(fields, field.Name)
		}
	}
	return fields
}

func TestMetrics_Lint(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	transport := New(Options{ID: "n1", Peers: map[protocol.NodeID]string{"n2": "127.0.0.1:1"}, Metrics: NewMetrics(registry)})
	defer transport.Close()
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
