package wire

import "time"

// ConnState is where a Client stands with its peer.
type ConnState string

// The states of a Client. Idle is the first, and the one after a connection that had worked was lost.
const (
	Idle       ConnState = "idle"
	Connecting ConnState = "connecting"
	Connected  ConnState = "connected"
	Backoff    ConnState = "backoff" // until the next dial, even if the pause is over
)

// ClientMetrics are told what a Client does. Any may be nil; none may block or call the Client.
type ClientMetrics struct {
	State    func(ConnState) // in order
	Dialed   func(err error) // after each dial
	Sent     func(bytes int) // after each request
	Received func(bytes int) // after each read
	// Called is told of every call's end. result is ok, remote_error, timeout, canceled, unreachable, closed, or, for
	// requests refused before they left and unreadable replies, too_large, malformed, overloaded, error.
	Called func(method, result string, took time.Duration)
}

// clientMetrics calls those that are set.
type clientMetrics struct{ to ClientMetrics }

func (m clientMetrics) state(s ConnState) {
	if m.to.State != nil {
		m.to.State(s)
	}
}

func (m clientMetrics) dialed(err error) {
	if m.to.Dialed != nil {
		m.to.Dialed(err)
	}
}

func (m clientMetrics) sent(bytes int) {
	if m.to.Sent != nil {
		m.to.Sent(bytes)
	}
}

func (m clientMetrics) received(bytes int) {
	if m.to.Received != nil {
		m.to.Received(bytes)
	}
}

func (m clientMetrics) called(method, result string, took time.Duration) {
	if m.to.Called != nil {
		m.to.Called(method, result, took)
	}
}

// ServerMetrics are told what a Server does. Any may be nil; none may block.
type ServerMetrics struct {
	// Begun is told of each request that arrives, Answered of its end, so that what lies between
	// is in flight. method is "unknown" for one that is not registered; code is ok, error, too_large
	// (the reply) or malformed (the arguments).
	Begun    func(method string)
	Answered func(method, code string, took time.Duration)
	// Refused is told of each frame that was no request: too_large or malformed. It ended its connection.
	Refused func(code string)
}

type serverMetrics struct{ to ServerMetrics }

func (m serverMetrics) begun(method string) {
	if m.to.Begun != nil {
		m.to.Begun(method)
	}
}

func (m serverMetrics) answered(method, code string, took time.Duration) {
	if m.to.Answered != nil {
		m.to.Answered(method, code, took)
	}
}

func (m serverMetrics) refused(code string) {
	if m.to.Refused != nil {
		m.to.Refused(code)
	}
}
