package chaos

import (
	"errors"
	"sync"
)

// errTooManyCalls ends a connection whose requests are not answered.
var errTooManyCalls = errors.New("too many requests without a reply")

// calls translates the ids of one connection: the upstream sees ids of ours, so that a second copy of a request
// can have an id of its own. An entry ends with its reply or the connection.
type calls struct {
	limit int

	mu   sync.Mutex // guards last, open
	last uint32
	open map[uint32]call
}

// call is a request that has been forwarded.
type call struct {
	client uint32 // the id that the client gave it
	method string
	turns  []turn // its number for each fault of replies
}

func newCalls(limit int) *calls { return &calls{limit: limit, open: make(map[uint32]call)} }

// add returns a fresh id, never 0.
func (t *calls) add(c call) (uint32, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= t.limit {
		return 0, errTooManyCalls
	}
	for {
		t.last++
		if _, taken := t.open[t.last]; t.last != 0 && !taken {
			t.open[t.last] = c
			return t.last, nil
		}
	}
}

// end takes the entry out.
func (t *calls) end(id uint32) (call, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.open[id]
	delete(t.open, id)
	return c, ok
}

// answers are frames that the upstream direction leaves for the downstream one to send.
type answers struct {
	mu     sync.Mutex // guards frames, bytes
	frames [][]byte
	bytes  int
}

func (a *answers) put(frame []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.frames = append(a.frames, frame)
	a.bytes += len(frame)
}

func (a *answers) take() [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.frames
	a.frames, a.bytes = nil, 0
	return all
}

func (a *answers) held() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}
