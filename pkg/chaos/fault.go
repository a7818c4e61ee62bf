package chaos

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"whitewater/pkg/wire"
)

// The types of message faults.
const (
	FaultDrop  = "drop"  // silent: the caller's deadline ends the call
	FaultDelay = "delay" // this message's own: those behind it may overtake it
	FaultError = "error" // an error response at once instead
)

// Fault is a fault of whole messages on a msgpack-rpc link.
//
// Faults act in the order in which they were added: delays add up, and the first drop or error ends it. So an
// error behind a delay is answered after that delay.
type Fault struct {
	Name        string  `json:"name"`        // default <type>_<kind>
	Type        string  `json:"type"`        // FaultDrop, FaultDelay or FaultError
	Kind        string  `json:"kind"`        // KindRequest (default) or KindResponse
	Method      string  `json:"method"`      // "" = any; a response has its request's
	Probability float64 `json:"probability"` // 0..1, default 1
	DelayMS     float64 `json:"delay_ms,omitempty"`
	JitterMS    float64 `json:"jitter_ms,omitempty"` // the delay is DelayMS ± JitterMS, uniform, never below 0
}

// Targets says on which links something takes effect: those named, or all that are msgpack-rpc now.
type Targets struct {
	Links []string `json:"links,omitempty"`
	All   bool     `json:"all,omitempty"`
}

func (f *Fault) setDefaults() {
	f.Kind = cmp.Or(f.Kind, KindRequest)
	f.Name = cmp.Or(f.Name, f.Type+"_"+f.Kind)
}

func (f *Fault) validate() error {
	if _, err := kindOf(f.Kind); err != nil {
		return err
	}
	const longest = 24 * 60 * 60 * 1000
	switch {
	case f.Type == "":
		return ErrMissingField.more(": type")
	case f.Type != FaultDrop && f.Type != FaultDelay && f.Type != FaultError:
		return invalid("type %q: must be %q, %q or %q", f.Type, FaultDrop, FaultDelay, FaultError)
	case !(f.Probability >= 0 && f.Probability <= 1):
		return invalid("probability %v: must be from 0 to 1", f.Probability)
	case !(f.DelayMS >= 0 && f.DelayMS <= longest), !(f.JitterMS >= 0 && f.JitterMS <= longest):
		return invalid("delay_ms %v, jitter_ms %v: each must be from 0 to %d", f.DelayMS, f.JitterMS, longest)
	case f.Type != FaultDelay && (f.DelayMS > 0 || f.JitterMS > 0):
		return invalid("delay_ms, jitter_ms: only with type %q", FaultDelay)
	case f.Type == FaultDelay && f.DelayMS == 0 && f.JitterMS == 0:
		return ErrMissingField.more(": delay_ms or jitter_ms")
	}
	return nil
}

// faultInForce is a Fault on one link.
type faultInForce struct {
	Fault
	kind wire.Kind
	seed uint64
	link string

	mu   sync.Mutex // guards seen
	seen map[string]uint64
}

// turn is a request's number for one fault: the n-th of its method on that link since the fault came into force.
type turn struct {
	fault *faultInForce
	n     uint64
}

func newFaultInForce(f Fault, seed uint64, link string) *faultInForce {
	in := &faultInForce{Fault: f, seed: seed, link: link, seen: make(map[string]uint64)}
	if f.Kind == KindResponse {
		in.kind = wire.Response
	}
	return in
}

// count numbers a request of that method.
func (f *faultInForce) count(method string) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.seen[method]; !known && len(f.seen) >= maxCountedMethods {
		method = "" // no method has this name
	}
	f.seen[method]++
	return f.seen[method]
}

// maxCountedMethods bounds what a client that makes up method names can fill.
const maxCountedMethods = 1024

// hits decides about the n-th request of that method, or about its reply. A reply to a request that came
// before the fault has no number, 0, and is hit by certain faults alone.
func (f *faultInForce) hits(method string, n uint64) bool {
	if f.Probability >= 1 {
		return true
	}
	return n > 0 && draw(f.seed, f.key("fate", method, n)) < f.Probability
}

func (f *faultInForce) delay(method string, n uint64) time.Duration {
	jitter := (2*draw(f.seed, f.key("jitter", method, n)) - 1) * f.JitterMS
	return time.Duration(max(0, f.DelayMS+jitter) * float64(time.Millisecond))
}

func (f *faultInForce) key(purpose, method string, n uint64) decisionKey {
	dir := upstream
	if f.kind == wire.Response {
		dir = downstream
	}
	return decisionKey{purpose: purpose, fault: f.Name, link: f.link, dir: dir, method: method, n: n}
}

// fate is what the faults have in store for a message.
type fate struct {
	delay   time.Duration
	delayed bool
	lost    string // FaultDrop, FaultError, or "" to forward
	by      string // the fault that lost it
}

// decide lets each fault of that kind of message have its say. Turns holds the request's numbers.
func decide(faults []*faultInForce, kind wire.Kind, method string, turns []turn, metrics *linkMetrics) fate {
	var out fate
	for _, f := range faults {
		if f.kind != kind || f.Method != "" && f.Method != method {
			continue
		}
		n := numberFor(turns, f)
		if !f.hits(method, n) {
			continue
		}
		metrics.matched[f.Type].Inc()
		metrics.affected[affectedKey{kind, f.Type}].Inc()
		if f.Type != FaultDelay {
			out.lost, out.by = f.Type, f.Name
			return out
		}
		out.delay += f.delay(method, n)
		out.delayed = true
	}
	return out
}

// number gives a request its number for each fault that it or its reply may meet.
func number(faults []*faultInForce, method string) []turn {
	var turns []turn
	for _, f := range faults {
		if f.Method == "" || f.Method == method {
			turns = append(turns, turn{f, f.count(method)})
		}
	}
	return turns
}

func numberFor(turns []turn, f *faultInForce) uint64 {
	for _, t := range turns {
		if t.fault == f {
			return t.n
		}
	}
	return 0
}

// AddFaults puts faults into force on links, in one step, and returns the links' names.
func (s *Server) AddFaults(on Targets, faults ...Fault) ([]Fault, []string, error) {
	for i := range faults {
		faults[i].setDefaults()
		if err := faults[i].validate(); err != nil {
			return nil, nil, err
		}
	}
	var links []*link
	err := s.change(func() (err error) {
		if links, err = s.targetsLocked(on); err != nil {
			return err
		}
		for _, l := range links {
			for _, f := range faults {
				if l.faultLocked(f.Name) >= 0 {
					return ErrFaultExists.more(": %s on %s", f.Name, l.name)
				}
			}
		}
		for _, l := range links {
			l.faults = slices.Clone(l.faults)
			for _, f := range faults {
				l.faults = append(l.faults, newFaultInForce(f, s.opts.Seed, l.name))
				l.metrics.expect(f.Method)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return faults, sortedNames(links), nil
}

// targetsLocked returns the links meant, each once.
func (s *Server) targetsLocked(on Targets) ([]*link, error) {
	if on.All == (len(on.Links) > 0) {
		return nil, invalid(`links: give either "links" with at least one name, or "all": true`)
	}
	var links []*link
	if on.All {
		for _, l := range s.sortedLinksLocked() {
			if l.protocol == ProtocolMsgpackRPC {
				links = append(links, l)
			}
		}
		return links, nil
	}
	for _, name := range on.Links {
		l, err := s.findLocked(name)
		if err != nil {
			return nil, ErrProxyNotFound.more(": %s", name)
		}
		if l.protocol != ProtocolMsgpackRPC {
			return nil, invalid("link %q carries bytes: message faults need protocol %q", name, ProtocolMsgpackRPC)
		}
		if !slices.Contains(links, l) {
			links = append(links, l)
		}
	}
	return links, nil
}

// RemoveFaults takes faults away from one link, or, if from is "", from every link that has one of those names, in one
// step. It returns the links' names.
func (s *Server) RemoveFaults(from string, names ...string) ([]string, error) {
	var touched []*link
	err := s.change(func() error {
		candidates := s.sortedLinksLocked()
		if from != "" {
			l, err := s.findLocked(from)
			if err != nil {
				return err
			}
			candidates = []*link{l}
		}
		for _, l := range candidates {
			kept := slices.DeleteFunc(slices.Clone(l.faults), func(f *faultInForce) bool { return slices.Contains(names, f.Name) })
			if len(kept) < len(l.faults) {
				l.faults = kept
				touched = append(touched, l)
			}
		}
		if len(touched) == 0 {
			return ErrFaultNotFound
		}
		return nil
	})
	return sortedNames(touched), err
}

// Faults returns those in force by link.
func (s *Server) Faults() map[string][]Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string][]Fault)
	for name, l := range maps.All(s.links) {
		if len(l.faults) > 0 {
			all[name] = l.shownFaultsLocked()
		}
	}
	return all
}

func (l *link) shownFaultsLocked() []Fault {
	shown := make([]Fault, 0, len(l.faults))
	for _, f := range l.faults {
		shown = append(shown, f.Fault)
	}
	return shown
}

func (l *link) faultLocked(name string) int {
	return slices.IndexFunc(l.faults, func(f *faultInForce) bool { return f.Name == name })
}
