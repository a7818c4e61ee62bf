package load

import "math"

// Outcome says what is known of an attempt or an operation.
type Outcome string

const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"  // operations: it has had and will have no effect
	Refused Outcome = "refused" // attempts: it has had and will have no effect
	Unknown Outcome = "unknown" // it may have taken effect, may still, or never will
)

// Kind is what an operation does to its key.
type Kind string

const (
	Get    Kind = "get"
	Put    Kind = "put"
	Append Kind = "append"
	CAS    Kind = "cas"
	Delete Kind = "delete"
)

// Kinds are all kinds, in the order in which reports list them.
func Kinds() []Kind { return []Kind{Get, Put, Append, CAS, Delete} }

// Write reports whether k changes its key.
func (k Kind) Write() bool { return k != Get }

// Forever is the Return of an operation whose effect may come at any later time.
const Forever = math.MaxInt64

// Operation is one call of a client as it saw it. Times are CLOCK_MONOTONIC nanoseconds.
type Operation struct {
	ID     int    `json:"id"`     // from 1, in the order in which operations began
	Client string `json:"client"` // a client's next incarnation, after an unknown outcome, has another name
	Kind   Kind   `json:"kind"`
	Key    string `json:"key"`
	Input  string `json:"input,omitempty"`  // put, cas: the value; append: the token
	Expect uint64 `json:"expect,omitempty"` // cas: the revision demanded; 0 demands that the key be absent

	Session string `json:"session,omitempty"`
	Seq     uint64 `json:"seq,omitempty"`

	Output   string `json:"output,omitempty"`   // get: the value
	Found    bool   `json:"found,omitempty"`    // get: the key was there
	Revision uint64 `json:"revision,omitempty"` // the key's revision as answered; 0: none given
	Index    uint64 `json:"index,omitempty"`    // writes: the log position that the node named
	Term     uint64 `json:"term,omitempty"`
	Swapped  bool   `json:"swapped,omitempty"`  // cas: the condition held
	Replayed bool   `json:"replayed,omitempty"` // the answer came from the session table

	Intended int64     `json:"intended,omitempty"` // open loop: when it was due, from which latency counts
	Call     int64     `json:"call"`
	Return   int64     `json:"return"` // Forever for an unknown outcome
	Outcome  Outcome   `json:"outcome"`
	Attempts []Attempt `json:"attempts,omitempty"`
	Final    bool      `json:"final,omitempty"` // one of the reads after the load had ended
	Stale    bool      `json:"stale,omitempty"` // asked for with consistency=stale: not linearizable by design
}

// Attempt is one HTTP request made for an operation.
type Attempt struct {
	Node    string  `json:"node,omitempty"` // "" if the address is no known node's
	URL     string  `json:"url"`
	Call    int64   `json:"call"`
	Return  int64   `json:"return"`
	Status  int     `json:"status,omitempty"` // 0: no answer
	Outcome Outcome `json:"outcome"`
	Err     string  `json:"err,omitempty"`
}

// Ended is when the client gave up or got its answer, also for an unknown outcome.
func (o Operation) Ended() int64 {
	if o.Return != Forever || len(o.Attempts) == 0 {
		return o.Return
	}
	return o.Attempts[len(o.Attempts)-1].Return
}
