package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// actions lists the actions that a step has, by their keys.
func (st *Step) actions() []string {
	var set []string
	for _, a := range []struct {
		key string
		on  bool
	}{
		{"await", st.Await != nil},
		{"bind", st.Bind != nil},
		{"partition", st.Partition != nil},
		{"drop", st.Drop != nil},
		{"delay", st.Delay != nil},
		{"preset", st.Preset != ""},
		{"heal", st.Heal != ""},
		{"kill", st.Kill != nil},
		{"power", st.Power != nil},
		{"stop", st.Stop != nil},
		{"restart", st.Restart != nil},
		{"pause", st.Pause != nil},
		{"resume", st.Resume != nil},
		{"snapshot", st.Snapshot != nil},
		{"start", st.Start != nil},
		{"wipe", st.Wipe != nil},
		{"members", st.Members != nil},
		{"transfer", st.Transfer != nil},
		{"fill", st.Fill != nil},
		{"load", st.Load != ""},
		{"pin", st.Pin != nil},
		{"unpin", st.Unpin},
	} {
		if a.on {
			set = append(set, a.key)
		}
	}
	return set
}

// action is the step's only action.
func (st *Step) action() string { return st.actions()[0] }

// target is the selector of the actions that have just one.
func (st *Step) target() *Selector {
	for _, s := range []*Selector{st.Bind, st.Kill, st.Power, st.Stop, st.Restart, st.Pause, st.Resume, st.Snapshot, st.Start, st.Wipe} {
		if s != nil {
			return s
		}
	}
	return nil
}

// isFault reports whether an action makes an entry among the run's faults.
func isFault(action string) bool {
	return slices.Contains([]string{"partition", "drop", "delay", "preset", "kill", "power", "stop", "pause"}, action)
}

// healable reports whether `heal` ends what the action began; a restart or resume ends the others.
func healable(action string) bool {
	return slices.Contains([]string{"partition", "drop", "delay", "preset"}, action)
}

func (v *validation) timeline() {
	var last Duration
	names := map[string]bool{}
	for i := range v.s.Timeline {
		st := &v.s.Timeline[i]
		if got := st.actions(); len(got) != 1 {
			v.fault(fmt.Sprintf("a step has exactly one action, this has %d (%s): split it, or choose one of await, bind, partition, drop, delay, preset, heal, kill, power, stop, restart, pause, resume, snapshot, start, wipe, members, transfer, fill, load, pin, unpin",
				len(got), strings.Join(got, ", ")), "timeline", i)
			continue
		}
		if st.At != 0 && st.At < last {
			v.fault("lies before an earlier step's: steps run in the order of the file", "timeline", i, "at")
		}
		last = max(last, st.At)
		v.step(st, i)
		if st.Name == "" {
			st.Name = fmt.Sprintf("%s-%d", st.action(), i+1)
		}
		if !faultName.MatchString(st.Name) {
			v.fault("a name is letters and digits joined by dashes", "timeline", i, "name")
		}
		if names[st.Name] {
			v.fault(fmt.Sprintf("an earlier step is called %q too: choose another name", st.Name), "timeline", i, "name")
		}
		names[st.Name] = true
		if healable(st.action()) {
			v.faults[st.Name] = true
		}
	}
}

func (v *validation) step(st *Step, i int) {
	path := func(keys ...any) []any { return append([]any{"timeline", i}, keys...) }
	action := st.action()
	if target := st.target(); target != nil {
		v.selector(target, path(action)...)
	}
	switch action {
	case "await":
		v.await(st.Await, st.Within, path("await"))
	case "partition":
		v.partition(st.Partition, path("partition"))
	case "drop", "delay":
		v.messageFault(st, path(action))
	case "preset":
		if st.Preset != presetLab {
			v.faultf(path("preset"), "unknown preset %q: there is %s", st.Preset, presetLab)
		}
	case "heal":
		if st.Heal != healAll && len(v.shape) == 0 && !v.faults[st.Heal] {
			v.faultf(path("heal"), "no earlier step called %q can be healed: name one, or write all", st.Heal)
		}
	case "load":
		if !slices.Contains([]string{"pause", "drain", "resume"}, st.Load) {
			v.faultf(path("load"), "unknown word %q: choose pause, drain or resume", st.Load)
		}
	case "pin":
		v.selector(st.Pin.Node, path("pin", "node")...)
		if st.Pin.Node == nil || st.Pin.Clients < 1 {
			v.faultf(path("pin"), "needs node and clients (at least 1)")
		}
	case "transfer":
		v.selector(st.Transfer.To, path("transfer", "to")...)
		if st.Transfer.GivenUp && st.Transfer.To == nil {
			v.faultf(path("transfer"), "to whom is it to be in vain? name a node that cannot take over in to")
		}
	case "members":
		v.members(st.Members, path("members"))
	case "fill":
		if f := st.Fill; f.Keys < 1 || f.Keys > maxFillKeys || f.Bytes < 1 || f.Bytes > maxFillBytes {
			v.faultf(path("fill"), "%d keys of %d bytes: from 1 to %d keys, of 1 to %d bytes", f.Keys, f.Bytes, maxFillKeys, maxFillBytes)
		}
	case "bind":
		if st.As == "" {
			v.faultf(path("bind"), "binds no name: add `as: L1`, say")
		}
	}
	if len(st.Effect) > 0 && !isFault(action) {
		v.faultf(path("effect"), "%s is no fault and has no effect to measure", action)
	}
	v.effect(*st, path()...)
	v.binding(st, action, path("as"))
}

func (v *validation) binding(st *Step, action string, path []any) {
	if st.As == "" {
		return
	}
	binds := st.target() != nil || action == "transfer" || action == "await" && (st.Await.Elected != nil || st.Await.Leader != nil || st.Await.Campaigning != nil)
	if !binds {
		v.faultf(path, "%s picks no node to bind: move `as` to a step that does", action)
	}
	if !boundName.MatchString(st.As) {
		v.faultf(path, "%q: a bound name is letters and digits, a capital first, such as L1", st.As)
	}
	v.bound = append(v.bound, st.As)
}

func (v *validation) await(a *Await, within Duration, path []any) {
	at := func(key string) []any { return append(slices.Clone(path), key) }
	set := 0
	for key, n := range map[string]int{"ops": a.Ops, "commits": a.Commits, "terms": a.Terms} {
		if n != 0 {
			set++
		}
		if n < 0 {
			v.faultf(at(key), "%d: wait for at least 1", n)
		}
	}
	for key, s := range map[string]*Selector{
		"elected": a.Elected, "leader": a.Leader, "not_leader": a.NotLeader,
		"campaigning": a.Campaigning, "caught_up": a.CaughtUp, "truncated": a.Truncated,
		"snapshot": a.Snapshot, "receiving": a.Receiving, "installed": a.Installed, "voters": a.Voters,
	} {
		if s == nil {
			continue
		}
		set++
		v.fixed(s, at(key))
	}
	if a.Tail != nil {
		set++
		if a.Tail.Of == nil || a.Tail.Entries < 1 {
			v.faultf(at("tail"), "needs of (a node) and entries (at least 1)")
		}
		v.fixed(a.Tail.Of, append(at("tail"), "of"))
	}
	if a.Compacted != nil {
		set++
		if a.Compacted.Of == nil || a.Compacted.Past == nil {
			v.faultf(at("compacted"), "needs of (whose logs) and past (whose log's end)")
		}
		v.fixed(a.Compacted.Of, append(at("compacted"), "of"))
		v.fixed(a.Compacted.Past, append(at("compacted"), "past"))
	}
	if a.Exited != nil {
		set++
		if a.Exited.Of == nil || a.Exited.Saying == "" {
			v.faultf(at("exited"), "needs of (the nodes) and saying (a part of the last line that they log)")
		}
		v.fixed(a.Exited.Of, append(at("exited"), "of"))
	}
	if a.Quiet != 0 {
		set++
		if within := within.Of(defaultWithin); time.Duration(a.Quiet) >= within {
			v.faultf(at("quiet"), "%v of quiet do not fit within %v: give the step a longer within", time.Duration(a.Quiet), within)
		}
	}
	if set == 0 {
		v.faultf(path, "waits for nothing: name ops, commits, terms, elected, leader, not_leader, campaigning, caught_up, truncated, tail, compacted, snapshot, receiving, installed, voters, exited or quiet")
	}
}

func (v *validation) members(m *Members, path []any) {
	v.selector(m.Add, append(slices.Clone(path), "add")...)
	v.selector(m.Remove, append(slices.Clone(path), "remove")...)
	if m.Add == nil && m.Remove == nil {
		v.faultf(path, "changes nothing: name nodes to add, to remove, or both")
	}
}

// fixed checks a selector that must not depend on who leads: that is what is waited for.
func (v *validation) fixed(s *Selector, path []any) {
	if s == nil {
		return
	}
	v.selector(s, path...)
	for _, t := range s.terms {
		if t.target == targetMinority || t.target == targetMajority || t.count > 0 || s.needsLeader() {
			v.faultf(path, "%q: an await names nodes, bound names, any or all, with exclusions", t)
			return
		}
	}
}

func (v *validation) partition(p *Partition, path []any) {
	at := func(keys ...any) []any { return append(slices.Clone(path), keys...) }
	if len(p.Groups) < 2 {
		v.faultf(at("groups"), "%d groups: a partition has at least two", len(p.Groups))
	}
	for i := range p.Groups {
		v.selector(&p.Groups[i], at("groups", i)...)
	}
	if p.Mode != "" && p.Mode != modeBlack && p.Mode != modeRefuse {
		v.faultf(at("mode"), "unknown mode %q: choose %s or %s", p.Mode, modeBlack, modeRefuse)
	}
	switch p.OneWay {
	case "", "call", "packets":
	default:
		v.faultf(at("one_way"), "unknown meaning %q: choose call or packets", p.OneWay)
	}
	if p.OneWay != "" && len(p.Groups) != 2 {
		v.faultf(at("groups"), "one way is between two groups, these are %d", len(p.Groups))
	}
	if p.OneWay == "packets" && p.Mode == modeRefuse {
		v.faultf(at("mode"), "a refusal cuts calls, it cannot cut packets one way: write one_way: call, or mode: %s", modeBlack)
	}
}

func (v *validation) messageFault(st *Step, path []any) {
	f := st.Drop
	if f == nil {
		f = st.Delay
	}
	at := func(key string) []any { return append(slices.Clone(path), key) }
	v.selector(f.From, at("from")...)
	v.selector(f.To, at("to")...)
	if f.Kind != "" && f.Kind != "request" && f.Kind != "response" {
		v.faultf(at("kind"), "unknown kind %q: choose request or response", f.Kind)
	}
	if p := f.Probability; p != nil && (*p < 0 || *p > 1) {
		v.faultf(at("probability"), "%v: from 0 to 1", *p)
	}
	switch {
	case st.Delay != nil && f.Delay == 0 && f.Jitter == 0:
		v.faultf(path, "delays by nothing: give delay or jitter")
	case st.Drop != nil && (f.Delay != 0 || f.Jitter != 0):
		v.faultf(path, "a drop has no delay: write delay instead")
	}
}
