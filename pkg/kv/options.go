package kv

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a Service. Zero values mean the defaults given.
type Options struct {
	Cluster        string        // the cluster's id, shown in the status
	Incarnation    string        // names this run of the process, shown in the status
	RequestTimeout time.Duration // how long a request may take before it is given up; 5 s
	ReadyTimeout   time.Duration // how long /readyz waits for its linearizable read; 1 s
	ReadyLag       int           // entries that applied may be behind commit on a ready node; 4096
	MaxKeyBytes    int           // 1 KiB
	MaxValueBytes  int           // of one value, and of one request's body; 1 MiB
	MaxSessions    int           // 16384, a few hundred bytes each
	SessionTTL     time.Duration // log time without a write until a session expires; 1 h
	Now            func() time.Time
	Metrics        *prometheus.Registry // where the service registers its own and what /metrics shows; a new one
	Logger         *slog.Logger         // nil discards
	// OnPanic is called with what a handler panicked with. The default ends the process: a broken invariant must not
	// be survived. It should not return.
	OnPanic func(value any, stack []byte)
}

func (o Options) withDefaults() Options {
	o.RequestTimeout = orDefault(o.RequestTimeout, 5*time.Second)
	o.ReadyTimeout = orDefault(o.ReadyTimeout, time.Second)
	o.ReadyLag = orDefault(o.ReadyLag, 4096)
	o.MaxKeyBytes = orDefault(o.MaxKeyBytes, 1<<10)
	o.MaxValueBytes = orDefault(o.MaxValueBytes, 1<<20)
	o.MaxSessions = orDefault(o.MaxSessions, 16384)
	o.SessionTTL = orDefault(o.SessionTTL, time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnPanic == nil {
		o.OnPanic = endProcess
	}
	return o
}

func orDefault[T comparable](value, byDefault T) T {
	var zero T
	if value == zero {
		return byDefault
	}
	return value
}

// Validate reports every fault of the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	atLeast := func(name string, value, least any, bad bool) {
		if bad {
			faults = append(faults, fmt.Errorf("%s %v must be at least %v", name, value, least))
		}
	}
	atLeast("RequestTimeout", o.RequestTimeout, time.Millisecond, o.RequestTimeout < time.Millisecond)
	atLeast("ReadyTimeout", o.ReadyTimeout, time.Millisecond, o.ReadyTimeout < time.Millisecond)
	atLeast("ReadyLag", o.ReadyLag, 1, o.ReadyLag < 1)
	atLeast("MaxKeyBytes", o.MaxKeyBytes, 1, o.MaxKeyBytes < 1)
	atLeast("MaxValueBytes", o.MaxValueBytes, 1, o.MaxValueBytes < 1)
	atMost := func(name string, value, most int) {
		if value > most {
			faults = append(faults, fmt.Errorf("%s %d must be at most %d", name, value, most))
		}
	}
	atMost("MaxKeyBytes", o.MaxKeyBytes, MaxKeyBytes)
	atMost("MaxValueBytes", o.MaxValueBytes, MaxValueBytes)
	atLeast("MaxSessions", o.MaxSessions, 1, o.MaxSessions < 1)
	atLeast("SessionTTL", o.SessionTTL, time.Millisecond, o.SessionTTL < time.Millisecond)
	return errors.Join(faults...)
}

// endProcess panics where net/http does not recover.
func endProcess(value any, stack []byte) {
	go func() { panic(fmt.Sprintf("%v\n\n%s", value, stack)) }()
	select {}
}
