package scenario

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The targets that are chosen when the step runs.
const (
	targetAll       = "all"       // every node that the action can act on
	targetAny       = "any"       // the same, where one of them is enough
	targetRest      = "rest"      // every node that no earlier group of the partition has
	targetLeader    = "leader"    // the running leader of the highest term
	targetFollower  = "follower"  // running nodes that do not lead; one, or as many as the number before it says
	targetFollowers = "followers" // all of them
	targetMinority  = "minority"  // as many nodes as are no majority, drawn from all
	targetMajority  = "majority"  // as many nodes as are a majority, drawn from all
)

var (
	nodeName  = regexp.MustCompile(`^n[1-9]$`)
	boundName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
)

// Selector names nodes: a node (n1), a bound name (L1), or a role to be looked up when the step runs,
// with an optional count before and exclusions behind: "2 followers not F1". A list is their union.
type Selector struct {
	terms []term
}

type term struct {
	count  int // 0 = the target's own
	target string
	not    []string
}

func (t term) String() string {
	s := t.target
	if t.count > 0 {
		s = strconv.Itoa(t.count) + " " + s
	}
	for _, n := range t.not {
		s += " not " + n
	}
	return s
}

func (s Selector) String() string {
	words := make([]string, len(s.terms))
	for i, t := range s.terms {
		words[i] = t.String()
	}
	return strings.Join(words, ", ")
}

// UnmarshalYAML reads a string or a list of strings.
func (s *Selector) UnmarshalYAML(n *yaml.Node) error {
	texts := []string{n.Value}
	if n.Kind == yaml.SequenceNode {
		texts = nil
		for _, item := range n.Content {
			texts = append(texts, item.Value)
		}
	}
	for _, text := range texts {
		t, err := parseTerm(text)
		if err != nil {
			return err
		}
		s.terms = append(s.terms, t)
	}
	if len(s.terms) == 0 {
		return badValue("names no node: write a node, a bound name or a role")
	}
	return nil
}

func parseTerm(text string) (term, error) {
	words := strings.Fields(text)
	var t term
	if len(words) > 1 {
		if n, err := strconv.Atoi(words[0]); err == nil {
			if n < 1 {
				return t, badValue("%q: a count is at least 1", text)
			}
			t.count, words = n, words[1:]
		}
	}
	if len(words) == 0 {
		return t, badValue("names no node: write a node, a bound name or a role")
	}
	if words[0] == "not" { // "not L1" is short for "all not L1"
		words = append([]string{targetAll}, words...)
	}
	t.target = words[0]
	if !knownTarget(t.target) {
		return t, badValue("%q is no node, bound name or role: write n1, a name that an earlier step binds (a capital first), leader, follower, followers, minority, majority, all or rest", t.target)
	}
	for rest := words[1:]; len(rest) > 0; rest = rest[2:] {
		if rest[0] != "not" || len(rest) < 2 {
			return t, badValue("%q: behind the target only \"not NAME\" may follow", text)
		}
		if rest[1] != targetLeader && !boundName.MatchString(rest[1]) && !nodeName.MatchString(rest[1]) {
			return t, badValue("%q cannot be excluded: exclude a node, a bound name or leader", rest[1])
		}
		t.not = append(t.not, rest[1])
	}
	if t.count > 0 && t.target != targetFollower && t.target != targetFollowers && t.target != targetAll && t.target != targetAny {
		return t, badValue("%q: a count goes with followers or all", text)
	}
	return t, nil
}

func knownTarget(s string) bool {
	switch s {
	case targetAll, targetAny, targetRest, targetLeader, targetFollower, targetFollowers, targetMinority, targetMajority:
		return true
	}
	return nodeName.MatchString(s) || boundName.MatchString(s)
}

// needsLeader reports whether nodes can be picked only while a leader is known.
func (s Selector) needsLeader() bool {
	return slices.ContainsFunc(s.terms, func(t term) bool {
		return t.target == targetLeader || t.target == targetFollower || t.target == targetFollowers || slices.Contains(t.not, targetLeader)
	})
}

// field is what a selector picks from.
type field struct {
	nodes    []string            // all, in order
	voters   []string            // those that make up majorities, in order
	eligible []string            // those that the action can act on, in order
	leader   string              // "" = none
	bound    map[string][]string // by name
	taken    []string            // by earlier groups
	rand     *rand.Rand
}

// pick returns nodes in order. The same field and seed give the same nodes.
func (s Selector) pick(f field) ([]string, error) {
	var picked []string
	for _, t := range s.terms {
		found, err := t.pick(f)
		if err != nil {
			return nil, err
		}
		picked = append(picked, found...)
	}
	slices.Sort(picked)
	picked = slices.Compact(picked)
	if len(picked) == 0 {
		return nil, fmt.Errorf("%q picks no node (eligible: %s)", s, strings.Join(f.eligible, ", "))
	}
	return picked, nil
}

func (t term) pick(f field) ([]string, error) {
	excluded := slices.Clone(f.taken)
	for _, name := range t.not {
		found, err := f.named(name)
		if err != nil {
			return nil, err
		}
		excluded = append(excluded, found...)
	}
	candidates := slices.DeleteFunc(slices.Clone(f.eligible), func(n string) bool { return slices.Contains(excluded, n) })
	if t.target == targetAll || t.target == targetAny || t.target == targetRest {
		return f.draw(candidates, t.count)
	}
	candidates = slices.DeleteFunc(candidates, func(n string) bool { return !slices.Contains(f.voters, n) })
	switch t.target {
	case targetFollower, targetFollowers:
		candidates = slices.DeleteFunc(candidates, func(n string) bool { return n == f.leader })
		count := t.count
		if count == 0 && t.target == targetFollower {
			count = 1
		}
		return f.draw(candidates, count)
	case targetMinority:
		return f.draw(candidates, (len(f.voters)-1)/2)
	case targetMajority:
		return f.draw(candidates, len(f.voters)/2+1)
	}
	return f.named(t.target)
}

// named resolves a node, a bound name or leader.
func (f field) named(name string) ([]string, error) {
	if name == targetLeader {
		if f.leader == "" {
			return nil, errNoLeader
		}
		return []string{f.leader}, nil
	}
	if nodes, ok := f.bound[name]; ok {
		return nodes, nil
	}
	if slices.Contains(f.nodes, name) {
		return []string{name}, nil
	}
	return nil, fmt.Errorf("%q names no node of this cluster", name)
}

// draw picks count of the candidates at random, or all for 0.
func (f field) draw(candidates []string, count int) ([]string, error) {
	if count == 0 {
		return candidates, nil
	}
	if count > len(candidates) {
		return nil, fmt.Errorf("%d nodes wanted, only %d eligible (%s)", count, len(candidates), strings.Join(candidates, ", "))
	}
	shuffled := slices.Clone(candidates)
	f.rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return shuffled[:count], nil
}
