package lab

import (
	"bytes"
	"encoding/gob"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"time"
)

// network is the lab's: it carries calls over links that are up or down, and on request loses, delays and reorders
// them. Its numbers are those of the lab's own network. All its time is time.Sleep's, so in a bubble it is virtual.
//
//	caller -> [down: fail after 0..7 s] -> [delay 0..26 ms, lose 10 %] -> handler
//	caller <- [hold 2 of 3 for 0.2..2.2 s] <- [lose 10 %] <- [suppressed if the link or server is gone]
type network struct {
	mu      sync.Mutex // guards all down to watch
	rng     *rand.Rand
	servers map[int]*service
	mode    mode
	sum     traffic
	watch   func(from, to int, args any) // told of each request that a caller sends; may be nil

	done    chan struct{} // closed by close
	closing sync.Once
}

// mode is how the network treats a call; it is read once per call, at its start.
type mode struct {
	unreliable bool // delay and lose requests, lose replies
	reordering bool // hold most replies for long
	doubling   bool // run one handler in ten twice; the lab's own network never does
	longDelays bool // calls over down links fail late
}

// traffic counts what was offered and what the faults did to it.
type traffic struct {
	calls, bytes                                               int
	down, lostRequests, lostReplies, suppressed, held, doubled int
}

func newNetwork(rng *rand.Rand) *network {
	return &network{rng: rng, servers: map[int]*service{}, done: make(chan struct{})}
}

// service is one incarnation of a server.
type service struct {
	receiver reflect.Value
	incoming int // guarded by network.mu
}

// link is one caller's end towards one server. It implements Caller.
type link struct {
	net      *network
	from, to int
	up       bool // guarded by network.mu
}

// setServer replaces the server of that number; nil removes it.
func (n *network) setServer(server int, receiver any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.servers, server)
	if receiver != nil {
		n.servers[server] = &service{receiver: reflect.ValueOf(receiver)}
	}
}

func (n *network) set(change func(*mode)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.mode)
}

func (n *network) traffic() traffic {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sum
}

// incoming counts the calls that reached the handler of this incarnation of a server.
func (n *network) incoming(server int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.servers[server]; s != nil {
		return s.incoming
	}
	return 0
}

// close makes every pending and later call fail.
func (n *network) close() { n.closing.Do(func() { close(n.done) }) }

func (l *link) setUp(up bool) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.up = up
}

// passage is what is settled when a call starts.
type passage struct {
	service *service // nil: the link is down or nobody is there
	mode    mode
}

// Call implements Caller.
func (l *link) Call(method string, args, reply any) bool {
	request := encode(args)
	p := l.depart(args, len(request))
	if p.service == nil {
		l.net.sleep(l.net.draw(map[bool]int{true: 7000, false: 100}[p.mode.longDelays]))
		return false
	}
	if p.mode.unreliable && (!l.net.sleep(l.net.draw(27)) || l.net.chance(10, &l.net.sum.lostRequests)) {
		return false
	}
	answered := make(chan []byte, 1)
	go func() { answered <- l.handle(p, method, request, args, reply) }()
	answer, ok := l.await(p, answered)
	if !ok || p.mode.unreliable && l.net.chance(10, &l.net.sum.lostReplies) {
		return false
	}
	if p.mode.reordering && l.net.chance(67, &l.net.sum.held) && !l.net.sleep(l.net.hold()) {
		return false
	}
	l.net.count(&l.net.sum.bytes, len(answer))
	return gob.NewDecoder(bytes.NewReader(answer)).Decode(reply) == nil
}

func (l *link) depart(args any, size int) passage {
	n := l.net
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sum.calls++
	n.sum.bytes += size
	if n.watch != nil {
		n.watch(l.from, l.to, args)
	}
	p := passage{mode: n.mode}
	if l.up && !n.closed() {
		p.service = n.servers[l.to]
	}
	if p.service == nil {
		n.sum.down++
	}
	return p
}

func (n *network) closed() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// handle runs the handler on a copy of the arguments, and returns the encoded reply.
func (l *link) handle(p passage, method string, request []byte, args, reply any) []byte {
	_, name, _ := strings.Cut(method, ".")
	runs := 1
	if p.mode.doubling && l.net.chance(10, &l.net.sum.doubled) {
		runs = 2
	}
	var answer []byte
	for range runs {
		l.net.count(&p.service.incoming, 1)
		in, out := reflect.New(reflect.TypeOf(args).Elem()), reflect.New(reflect.TypeOf(reply).Elem())
		decode(request, in.Interface())
		p.service.receiver.MethodByName(name).Call([]reflect.Value{in, out})
		answer = encode(out.Interface())
	}
	return answer
}

// await waits for the handler, and looks every 100 ms whether its link and server are still there. An answer that
// comes when they are gone is suppressed.
func (l *link) await(p passage, answered <-chan []byte) ([]byte, bool) {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	var answer []byte
	for answer == nil {
		select {
		case answer = <-answered:
		case <-poll.C:
		}
		if l.gone(p.service) {
			l.net.count(&l.net.sum.suppressed, 1)
			return nil, false
		}
	}
	return answer, true
}

func (l *link) gone(s *service) bool {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	return !l.up || l.net.servers[l.to] != s || l.net.closed()
}

// sleep lets milliseconds pass; false: the network was closed meanwhile.
func (n *network) sleep(milliseconds int) bool {
	timer := time.NewTimer(time.Duration(milliseconds) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-n.done:
		return false
	}
}

func (n *network) draw(below int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rng.IntN(below)
}

// hold is how long a reordered reply waits, in milliseconds.
func (n *network) hold() int { return 200 + n.draw(1+n.draw(2000)) }

// chance is true in percent of a hundred cases, and then counts one.
func (n *network) chance(percent int, counter *int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rng.IntN(100) >= percent {
		return false
	}
	*counter++
	return true
}

func (n *network) count(counter *int, add int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*counter += add
}
