package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The types of toxics. A toxic is a struct of attributes with the stage that it makes, in a file of its own.
const (
	ToxicNoop      = "noop"
	ToxicLatency   = "latency"
	ToxicBandwidth = "bandwidth"
	ToxicTimeout   = "timeout"
	ToxicResetPeer = "reset_peer"
)

// newAttributes returns the attributes of a type of toxic, all zero; nil for a type that does not exist.
func newAttributes(toxicType string) attributes {
	make, ok := map[string]func() attributes{
		ToxicNoop:      func() attributes { return &noop{} },
		ToxicLatency:   func() attributes { return &latency{} },
		ToxicBandwidth: func() attributes { return &bandwidth{} },
		ToxicTimeout:   func() attributes { return &timeout{} },
		ToxicResetPeer: func() attributes { return &resetPeer{} },
	}[toxicType]
	if !ok {
		return nil
	}
	return make()
}

// attributes are a toxic's settings; JSON numbers are whole.
type attributes interface {
	// validate reports the attribute that cannot be.
	validate() error
	// stage makes the toxic's work on one direction of one connection.
	stage(now time.Time, t *toxic, at site) stage
}

// Toxic is a fault of a link's bytes as the control API shows it. See the toxics' files for their attributes.
type Toxic struct {
	Attributes json.RawMessage `json:"attributes"`
	Name       string          `json:"name"` // default <type>_<stream>
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`   // "downstream" (default) or "upstream"
	Toxicity   float32         `json:"toxicity"` // share of connections concerned, 0..1, default 1
}

// ToxicUpdate changes a toxic. Nil leaves a field as it is; attributes are merged field by field.
type ToxicUpdate struct {
	Attributes json.RawMessage `json:"attributes,omitempty"`
	Toxicity   *float32        `json:"toxicity,omitempty"`
}

// toxic is a Toxic in force. It is immutable: an update makes another one with the same id.
type toxic struct {
	id         *int // identity over updates
	name, typ  string
	stream     string // as it was sent
	dir        direction
	toxicity   float32
	attributes attributes
}

// spares reports whether t leaves the connection alone: decided once per connection, as neither key nor hash changes.
func (t *toxic) spares(at site) bool {
	key := decisionKey{purpose: "fate", fault: t.name, link: at.link, dir: at.dir, n: at.number}
	return draw(at.seed, key) >= float64(t.toxicity)
}

func (t *toxic) shown() Toxic {
	text, err := json.Marshal(t.attributes)
	if err != nil {
		panic(fmt.Sprintf("attributes of toxic %s: %v", t.typ, err)) // structs of integers
	}
	return Toxic{Attributes: text, Name: t.name, Type: t.typ, Stream: t.stream, Toxicity: t.toxicity}
}

func (t Toxic) direction() (direction, error) {
	switch strings.ToLower(t.Stream) {
	case "upstream":
		return upstream, nil
	case "downstream":
		return downstream, nil
	}
	return 0, ErrInvalidStream
}

// AddToxic puts t at the end of its direction's chain, on connections that stand, too.
func (s *Server) AddToxic(link string, t Toxic) (Toxic, error) {
	var shown Toxic
	err := s.change(func() error {
		l, err := s.findLocked(link)
		if err != nil {
			return err
		}
		made, err := l.newToxicLocked(t)
		if err != nil {
			return err
		}
		l.toxics = append(slices.Clone(l.toxics), made)
		shown = made.shown()
		return nil
	})
	return shown, err
}

func (l *link) newToxicLocked(t Toxic) (*toxic, error) {
	if t.Stream == "" {
		t.Stream = "downstream"
	}
	dir, err := t.direction()
	if err != nil {
		return nil, err
	}
	a := newAttributes(t.Type)
	if a == nil {
		return nil, ErrInvalidToxicType
	}
	if t.Name == "" {
		t.Name = t.Type + "_" + t.Stream
	}
	if l.toxicLocked(t.Name) >= 0 {
		return nil, ErrToxicExists
	}
	if err := validateToxicity(t.Toxicity); err != nil {
		return nil, err
	}
	if err := readAttributes(a, t.Attributes); err != nil {
		return nil, err
	}
	return &toxic{id: new(int), name: t.Name, typ: t.Type, stream: t.Stream, dir: dir, toxicity: t.Toxicity, attributes: a}, nil
}

// readAttributes reads text over what a says already.
func readAttributes(a attributes, text json.RawMessage) error {
	if len(text) > 0 {
		if err := json.Unmarshal(text, a); err != nil {
			return ErrBadBody.more(": %v", err)
		}
	}
	return a.validate()
}

// UpdateToxic changes a toxic in place. What it holds stays held, under the new attributes.
func (s *Server) UpdateToxic(link, name string, u ToxicUpdate) (Toxic, error) {
	var shown Toxic
	err := s.change(func() error {
		l, i, err := s.findToxicLocked(link, name)
		if err != nil {
			return err
		}
		changed := *l.toxics[i]
		changed.attributes = newAttributes(changed.typ)
		if err := readAttributes(changed.attributes, l.toxics[i].shown().Attributes); err != nil {
			return err
		}
		if err := readAttributes(changed.attributes, u.Attributes); err != nil {
			return err
		}
		if u.Toxicity != nil {
			if err := validateToxicity(*u.Toxicity); err != nil {
				return err
			}
			changed.toxicity = *u.Toxicity
		}
		l.toxics = slices.Clone(l.toxics)
		l.toxics[i] = &changed
		shown = changed.shown()
		return nil
	})
	return shown, err
}

// RemoveToxic takes a toxic away. It does not wait for the connections.
func (s *Server) RemoveToxic(link, name string) error {
	return s.change(func() error {
		l, i, err := s.findToxicLocked(link, name)
		if err != nil {
			return err
		}
		l.toxics = slices.Delete(slices.Clone(l.toxics), i, i+1)
		return nil
	})
}

// GetToxic returns one toxic.
func (s *Server) GetToxic(link, name string) (Toxic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, i, err := s.findToxicLocked(link, name)
	if err != nil {
		return Toxic{}, err
	}
	return l.toxics[i].shown(), nil
}

// Toxics returns a link's toxics in the order of its Proxy object.
func (s *Server) Toxics(link string) ([]Toxic, error) {
	p, err := s.Get(link)
	return p.Toxics, err
}

func (l *link) toxicLocked(name string) int {
	return slices.IndexFunc(l.toxics, func(t *toxic) bool { return t.name == name })
}

func (s *Server) findToxicLocked(link, name string) (*link, int, error) {
	l, err := s.findLocked(link)
	if err != nil {
		return nil, 0, err
	}
	i := l.toxicLocked(name)
	if i < 0 {
		return nil, 0, ErrToxicNotFound
	}
	return l, i, nil
}

func validateToxicity(share float32) error {
	if !(share >= 0 && share <= 1) { // so that NaN is refused, too
		return invalid("toxicity is %v: must be from 0 to 1, the share of connections concerned", share)
	}
	return nil
}

// atLeastZero is the validation that every attribute needs.
func atLeastZero(name string, value int64) error {
	if value < 0 {
		return invalid("attribute %s is %d: must be 0 or more", name, value)
	}
	return nil
}

// milliseconds of an attribute, bounded so that no sum overflows.
func milliseconds(ms int64) time.Duration {
	return time.Duration(min(ms, int64(365*24*time.Hour/time.Millisecond))) * time.Millisecond
}
