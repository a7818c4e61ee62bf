package chaos

import (
	"maps"
	"slices"
)

// The modes, directions and one-way meanings of a Partition.
const (
	ModeBlackHole   = "black_hole"
	ModeRefuse      = "refuse"
	DirectionBoth   = "both"
	DirectionOneWay = "one_way"
	OneWayCall      = "call"
	OneWayPackets   = "packets"
)

// Partition separates groups of nodes on all links between them, as one step.
//
// A black hole loses what is sent and says nothing; a refusal resets the connections that stand and every new one.
// One way, the first group cannot reach the second: either its calls do not (the links from it to the second group
// are dead), or its packets do not (its requests, and its replies to requests of the second group).
type Partition struct {
	Name      string     `json:"name"`
	Groups    [][]string `json:"groups"`            // nodes in no group are untouched
	Mode      string     `json:"mode"`              // "black_hole" (default) or "refuse"
	Direction string     `json:"direction"`         // "both" (default) or "one_way", between exactly two groups
	OneWay    string     `json:"one_way,omitempty"` // "call" or "packets"; required when one_way, "call" alone for a refusal

	Links []string `json:"links"` // in answers: the links touched
}

// effect is what the partitions in force do to a link.
type effect struct {
	cut    [2]bool // by direction: black hole
	refuse bool
}

func (e effect) none() bool { return e == effect{} }

// hole reports whether the link is cut in any direction, so that no new connection gets through.
func (e effect) hole() bool { return e.cut[upstream] || e.cut[downstream] }

func (e effect) or(f effect) effect {
	return effect{cut: [2]bool{e.cut[0] || f.cut[0], e.cut[1] || f.cut[1]}, refuse: e.refuse || f.refuse}
}

func (p *Partition) setDefaults() {
	if p.Mode == "" {
		p.Mode = ModeBlackHole
	}
	if p.Direction == "" {
		p.Direction = DirectionBoth
	}
	p.Links = nil
}

func (p *Partition) validate() error {
	switch {
	case p.Name == "":
		return ErrMissingField.more(": name")
	case p.Mode != ModeBlackHole && p.Mode != ModeRefuse:
		return invalid("mode %q: must be %q or %q", p.Mode, ModeBlackHole, ModeRefuse)
	case p.Direction != DirectionBoth && p.Direction != DirectionOneWay:
		return invalid("direction %q: must be %q or %q", p.Direction, DirectionBoth, DirectionOneWay)
	case len(p.Groups) < 2:
		return invalid("groups: there must be at least two, each a list of node names")
	}
	if err := p.validateOneWay(); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, group := range p.Groups {
		for _, node := range group {
			if node == "" || seen[node] {
				return invalid("groups: node %q is empty or named twice; name each node once", node)
			}
			seen[node] = true
		}
	}
	return nil
}

func (p *Partition) validateOneWay() error {
	if p.Direction == DirectionBoth {
		if p.OneWay != "" {
			return invalid("one_way %q: only with direction %q", p.OneWay, DirectionOneWay)
		}
		return nil
	}
	switch {
	case len(p.Groups) != 2:
		return invalid("groups: direction %q is between exactly two, the first cannot reach the second", DirectionOneWay)
	case p.OneWay == "":
		return ErrMissingField.more(": one_way (%q: no call gets through; %q: no packet does, replies included)", OneWayCall, OneWayPackets)
	case p.OneWay != OneWayCall && p.OneWay != OneWayPackets:
		return invalid("one_way %q: must be %q or %q", p.OneWay, OneWayCall, OneWayPackets)
	case p.Mode == ModeRefuse && p.OneWay != OneWayCall:
		return invalid("one_way %q: mode %q knows %q alone, as a reset goes both ways", p.OneWay, ModeRefuse, OneWayCall)
	}
	return nil
}

// effect is what p does to the link that carries source's calls to target.
func (p *Partition) effect(source, target string) effect {
	from, to := p.group(source), p.group(target)
	if from < 0 || to < 0 || from == to {
		return effect{}
	}
	forward := from == 0 // meaningful one way only
	switch {
	case p.Direction == DirectionOneWay && p.OneWay == OneWayPackets:
		return effect{cut: [2]bool{upstream: forward, downstream: !forward}}
	case p.Direction == DirectionOneWay && !forward:
		return effect{}
	case p.Mode == ModeRefuse:
		return effect{refuse: true}
	}
	return effect{cut: [2]bool{true, true}}
}

// group returns the number of node's group, -1 for none.
func (p *Partition) group(node string) int {
	if node == "" {
		return -1
	}
	return slices.IndexFunc(p.Groups, func(g []string) bool { return slices.Contains(g, node) })
}

// Partition puts p into force on all links at once and returns it with the links that it touches.
func (s *Server) Partition(p Partition) (Partition, error) {
	p.setDefaults()
	if err := p.validate(); err != nil {
		return Partition{}, err
	}
	var shown Partition
	err := s.change(func() error {
		if s.partitions[p.Name] != nil {
			return ErrPartitionExists
		}
		if err := s.validateNodesLocked(&p); err != nil {
			return err
		}
		touched := s.shownPartitionLocked(&p)
		if len(touched.Links) == 0 {
			return invalid("groups %q: no link runs between them in the direction to be cut; name nodes that a link has as source and target", p.Groups)
		}
		shown = touched
		s.partitions[p.Name] = &p
		s.log.Info("partition", "partition", p.Name, "groups", p.Groups, "mode", p.Mode, "direction", p.Direction)
		return nil
	})
	return shown, err
}

// validateNodesLocked makes sure that links have all of p's nodes: a misspelt one would be cut off from nothing.
func (s *Server) validateNodesLocked(p *Partition) error {
	known := make(map[string]bool)
	for _, l := range s.links {
		known[l.source], known[l.target] = true, true
	}
	delete(known, "")
	for _, group := range p.Groups {
		for _, node := range group {
			if !known[node] {
				return invalid("groups: no link has node %q as source or target; links have %q", node, slices.Sorted(maps.Keys(known)))
			}
		}
	}
	return nil
}

// Heal ends one partition and returns it with the links that it touched.
func (s *Server) Heal(name string) (Partition, error) {
	var healed Partition
	err := s.change(func() error {
		p := s.partitions[name]
		if p == nil {
			return ErrPartitionNotFound
		}
		healed = s.shownPartitionLocked(p)
		delete(s.partitions, name)
		s.log.Info("partition healed", "partition", name)
		return nil
	})
	return healed, err
}

// HealAll ends every partition, in one step, and returns them.
func (s *Server) HealAll() ([]Partition, error) {
	var healed []Partition
	err := s.change(func() error {
		healed = s.shownPartitionsLocked()
		clear(s.partitions)
		s.log.Info("all partitions healed")
		return nil
	})
	return healed, err
}

// Partitions returns those in force, by name.
func (s *Server) Partitions() []Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shownPartitionsLocked()
}

func (s *Server) shownPartitionsLocked() []Partition {
	shown := make([]Partition, 0, len(s.partitions))
	for _, name := range slices.Sorted(maps.Keys(s.partitions)) {
		shown = append(shown, s.shownPartitionLocked(s.partitions[name]))
	}
	return shown
}

func (s *Server) shownPartitionLocked(p *Partition) Partition {
	shown := *p
	shown.Links = []string{}
	for _, l := range s.sortedLinksLocked() {
		if !p.effect(l.source, l.target).none() {
			shown.Links = append(shown.Links, l.name)
		}
	}
	return shown
}
