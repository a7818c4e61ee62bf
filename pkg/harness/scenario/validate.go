package scenario

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/load"
)

const (
	maxNodes   = 9
	maxClients = 256
	maxKeys    = 10_000
	maxRate    = 100_000

	maxFillKeys  = 1024
	maxFillBytes = 64 << 10

	presetLab  = "lab-unreliable"
	healAll    = "all"
	modeBlack  = "black_hole"
	modeRefuse = "refuse"
)

var (
	scenarioName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	faultName    = regexp.MustCompile(`^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$`)
	flagName     = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	// ownFlags are the cluster's to set.
	ownFlags = []string{"id", "peers", "local", "rpc-listen", "http-listen", "http-advertise", "data-dir", "cluster-id", "event-log", "mutant", "join", "bootstrap", "rpc-advertise"}
)

// validation collects every fault of a decoded file.
type validation struct {
	root     *yaml.Node
	s        *Scenario
	shape    []Problem // found by decoding; what they may have caused is not reported
	problems []Problem
	bound    []string        // names bound so far
	faults   map[string]bool // steps so far that a heal may name
}

// validate finds faults of values. Where the file did not decode (shape), only those that stand apart from that.
func validate(s *Scenario, root *yaml.Node, shape []Problem) []Problem {
	v := &validation{root: root, s: s, shape: shape, faults: map[string]bool{}}
	if !scenarioName.MatchString(s.Name) {
		v.fault("a scenario's name is lower-case words joined by dashes, such as leader-kill", "name")
	}
	if strings.TrimSpace(s.Description) == "" {
		v.fault("says nothing: describe in a sentence what the scenario shows", "description")
	}
	v.cluster()
	v.load()
	v.timeline()
	v.expect()
	return v.problems
}

func (v *validation) fault(text string, path ...any) {
	if len(v.shape) > 0 && consequence(v.root, v.shape, path) {
		return
	}
	line, column := place(v.root, path...)
	words := make([]string, len(path))
	for i, p := range path {
		words[i] = fmt.Sprint(p)
		if n, ok := p.(int); ok {
			words[i] = fmt.Sprint(n + 1)
		}
	}
	v.problems = append(v.problems, Problem{line, column, strings.Join(words, " ") + ": " + text})
}

func (v *validation) faultf(path []any, format string, args ...any) {
	v.fault(fmt.Sprintf(format, args...), path...)
}

func (v *validation) cluster() {
	c := v.s.Cluster
	if c.Nodes < 1 || c.Nodes > maxNodes {
		v.fault(fmt.Sprintf("%d nodes: from 1 to %d can be run", c.Nodes, maxNodes), "cluster", "nodes")
	}
	if c.Spares < 0 || c.Nodes >= 1 && c.Nodes <= maxNodes && c.Nodes+c.Spares > maxNodes {
		v.fault(fmt.Sprintf("%d spares beside %d nodes: from 0, and %d in all can be run", c.Spares, c.Nodes, maxNodes), "cluster", "spares")
	}
	for flag := range c.Flags {
		if !flagName.MatchString(flag) {
			v.fault(fmt.Sprintf("%q is no flag: write a raftnode flag without its dashes", flag), "cluster", "flags", flag)
		} else if slices.Contains(ownFlags, flag) {
			v.fault(fmt.Sprintf("%s is set by the harness: leave it out", flag), "cluster", "flags", flag)
		}
	}
	if c.Mutant != "" && v.s.ExpectFail == nil {
		v.fault("a planted bug needs expect_fail with the checks that must catch it", "cluster", "mutant")
	}
}

func (v *validation) load() {
	l := v.s.Load
	if l.Clients < 0 || l.Clients > maxClients {
		v.fault(fmt.Sprintf("%d clients: from 1 to %d can be run (0 = the default)", l.Clients, maxClients), "load", "clients")
	}
	if l.Keys < 0 || l.Keys > maxKeys {
		v.fault(fmt.Sprintf("%d keys: from 1 to %d (0 = the default)", l.Keys, maxKeys), "load", "keys")
	}
	if !(l.Rate >= 0 && l.Rate <= maxRate) {
		v.fault(fmt.Sprintf("%v a second: from 0 (as fast as answers come) to %v", l.Rate, maxRate), "load", "rate")
	}
	total := 0
	for kind, weight := range l.Mix {
		if !slices.Contains(load.Kinds(), load.Kind(kind)) {
			v.fault("unknown kind: choose from "+kinds(), "load", "mix", kind)
		}
		if weight < 0 || weight > 1000 {
			v.fault(fmt.Sprintf("weight %d: from 0 to 1000", weight), "load", "mix", kind)
		}
		total += weight
	}
	if len(l.Mix) > 0 && total <= 0 {
		v.fault("every weight is 0: give one kind a positive weight", "load", "mix")
	}
}

// kinds lists the kinds of operations for an error message.
func kinds() string {
	var words []string
	for _, k := range load.Kinds() {
		words = append(words, string(k))
	}
	return strings.Join(words, ", ")
}

// selector checks the names in s; roles need no check.
func (v *validation) selector(s *Selector, path ...any) {
	if s == nil {
		return
	}
	for _, t := range s.terms {
		for _, name := range append([]string{t.target}, t.not...) {
			switch {
			case boundName.MatchString(name) && len(v.shape) == 0 && !slices.Contains(v.bound, name):
				v.faultf(path, "%s is bound by no earlier step: give that step `as: %s`", name, name)
			case nodeName.MatchString(name) && v.s.Cluster.Nodes > 0 && int(name[1]-'0') > v.s.Cluster.Nodes+v.s.Cluster.Spares:
				v.faultf(path, "%s is not in a cluster of %d nodes and %d spares", name, v.s.Cluster.Nodes, v.s.Cluster.Spares)
			case name == targetRest && !slices.Contains(path, any("partition")):
				v.faultf(path, "rest is for the groups of a partition: write all, or exclude with not")
			}
		}
	}
}

func (v *validation) expect() {
	e := v.s.Expect
	for kind, least := range e.OK {
		if !slices.Contains(load.Kinds(), load.Kind(kind)) {
			v.fault("unknown kind: choose from "+kinds(), "expect", "ok", kind)
		}
		if least < 0 {
			v.fault("a least number is not negative", "expect", "ok", kind)
		}
	}
	if len(e.OK) == 0 {
		v.fault("names no least load: give at least one, such as ok: {get: 50}", "expect")
	}
	if b := e.Elections; b != nil && (b.Min < 0 || b.Max != nil && *b.Max < b.Min) {
		v.fault("want 0 ≤ min ≤ max", "expect", "elections")
	}
	x := v.s.ExpectFail
	if x == nil {
		return
	}
	known := []string{findTimeline, findOutage}
	for _, c := range check.All() {
		known = append(known, c.Name)
	}
	if len(x.Checks) == 0 {
		v.fault("names no check: say which of them must fail: "+strings.Join(known, ", "), "expect_fail")
	}
	for i, name := range x.Checks {
		if !slices.Contains(known, name) {
			v.fault(fmt.Sprintf("%q is no check: choose from %s", name, strings.Join(known, ", ")), "expect_fail", "checks", i)
		}
	}
}

// effects are the measures of a fault that a file may ask a least value of.
func effects() map[string]string {
	return map[string]string{
		effectHits:    "messages that it touched, or connections that it refused",
		effectLeaders: "leaders elected while the fault lasted",
		effectTerms:   "terms begun while it lasted",
		effectExits:   "processes that it ended",
		effectStops:   "processes that it paused",
		effectBytes:   "bytes that a power loss took",
	}
}

func (v *validation) effect(step Step, path ...any) {
	known := effects()
	for name := range step.Effect {
		if _, ok := known[name]; !ok {
			v.faultf(append(slices.Clone(path), "effect", name), "unknown effect: choose from %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
}
