package load

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"time"
)

// Node is one node's client address.
type Node struct {
	ID  string
	URL string // "http://host:port"
}

// Endpoints names the nodes that clients may try now; after a restart a node's URL may differ.
type Endpoints func() []Node

// Options describe a load. The zero value of each field means its default.
type Options struct {
	Clients int          // default 8
	Keys    int          // keys in use at a time, of each sort (registers, append-only): default 16
	Mix     map[Kind]int // weights; default get 40, put 25, append 20, cas 10, delete 5

	// OpsPerKey retires a key after about so many operations in favour of a fresh one, since the cost
	// of judging grows with the operations per key; default 150.
	OpsPerKey int

	Rate  float64       // operations per second in total, each due at a fixed time; 0: closed loop
	Think time.Duration // closed loop: mean pause between a client's operations; default none

	RequestTimeout time.Duration // of one attempt; default 1s
	Deadline       time.Duration // of one operation: no attempt for it begins later; default 5s

	Seed       uint64
	NoSessions bool // writes without a session: never repeated after an unknown attempt
	Stale      bool // reads ask for consistency=stale (the final reads never do)

	Record io.Writer       // gets each finished operation as a line of JSON; nil: none
	OnDone func(Operation) // called with each finished operation, from many goroutines; nil: none
	Logger *slog.Logger    // nil discards
}

func defaultMix() map[Kind]int {
	return map[Kind]int{Get: 40, Put: 25, Append: 20, CAS: 10, Delete: 5}
}

func (o Options) withDefaults() Options {
	if o.Clients == 0 {
		o.Clients = 8
	}
	if o.Keys == 0 {
		o.Keys = 16
	}
	if len(o.Mix) == 0 {
		o.Mix = defaultMix()
	}
	o.Mix = maps.Clone(o.Mix)
	if o.OpsPerKey == 0 {
		o.OpsPerKey = 150
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = time.Second
	}
	if o.Deadline == 0 {
		o.Deadline = 5 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports every fault of the options, with defaults in place.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	bad := func(field string, value any, rule string) {
		faults = append(faults, fmt.Errorf("load %s (%v) must be %s", field, value, rule))
	}
	if o.Clients < 1 || o.Clients > 10_000 {
		bad("clients", o.Clients, "from 1 to 10000")
	}
	if o.Keys < 1 {
		bad("keys", o.Keys, "at least 1")
	}
	if o.OpsPerKey < 1 {
		bad("ops per key", o.OpsPerKey, "at least 1")
	}
	if o.Rate < 0 {
		bad("rate", o.Rate, "0 (closed loop) or more operations per second")
	}
	if o.Rate > 0 && o.Think > 0 {
		bad("think", o.Think, "0 beside a rate: a rate already sets the pace")
	}
	if o.Think < 0 {
		bad("think", o.Think, "0 or more")
	}
	if o.RequestTimeout < 0 || o.Deadline < o.RequestTimeout {
		bad("deadline", o.Deadline, fmt.Sprintf("at least one request time-out (%v)", o.RequestTimeout))
	}
	faults = append(faults, validateMix(o.Mix))
	return errors.Join(faults...)
}

func validateMix(mix map[Kind]int) error {
	var faults []error
	known := defaultMix()
	sum := 0
	for kind, weight := range mix {
		if _, ok := known[kind]; !ok {
			faults = append(faults, fmt.Errorf("load mix names %q: use get, put, append, cas or delete", kind))
		}
		if weight < 0 {
			faults = append(faults, fmt.Errorf("load mix %s (%d) must be 0 or more", kind, weight))
		}
		sum += weight
	}
	if sum <= 0 {
		faults = append(faults, errors.New("load mix must hold at least one weight above 0"))
	}
	return errors.Join(faults...)
}
