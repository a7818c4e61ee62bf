package sim

import (
	"fmt"
	"slices"
	"strings"
)

// String lists a plan for readers: a line for each fault, one for all requests unless they are few.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s, %s, %s, %v\n", p.Seed, counted(p.Nodes, "node"), counted(p.Spares, "spare"), counted(p.Clients, "client"), p.Duration)
	if set := p.settings(); len(set) > 0 {
		fmt.Fprintf(&b, "  %s\n", strings.Join(set, ", "))
	}
	if len(p.Requests) > fewRequests {
		fmt.Fprintf(&b, "  %s\n", p.requestsInShort())
	} else {
		for _, r := range p.Requests {
			fmt.Fprintf(&b, "  at %-10v client %d: %s k%d\n", r.At, r.Client, r.Kind, r.Key)
		}
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "  at %-10v %s\n", f.At, f)
	}
	return b.String()
}

// fewRequests are listed one by one.
const fewRequests = 8

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// settings are what differs from an ideal network, an instant disk and Raft's defaults.
func (p Plan) settings() []string {
	var set []string
	share := func(v float64, what string) {
		if v != 0 {
			set = append(set, fmt.Sprintf("%s %.3g%%", what, 100*v))
		}
	}
	say := func(say bool, format string, args ...any) {
		if say {
			set = append(set, fmt.Sprintf(format, args...))
		}
	}
	say(p.Network.Delay != 0, "messages take up to %v", p.Network.Delay)
	share(p.Network.Loss, "lost")
	share(p.Network.Duplicate, "twice")
	share(p.Network.Late, "late")
	say(p.Disk.Latency != 0, "syncs take up to %v", p.Disk.Latency)
	share(p.Disk.Stall, "stalled")
	t := p.Tuning
	say(t.SnapshotEntries != 0, "a snapshot each %d entries", t.SnapshotEntries)
	say(t.SnapshotKeep != 0, "%d entries kept below it", max(0, t.SnapshotKeep))
	say(t.ChunkBytes != 0, "chunks of %d bytes", t.ChunkBytes)
	say(t.SegmentBytes != 0, "segments of %d bytes", t.SegmentBytes)
	say(t.MaxBatch != 0, "batches of %d", t.MaxBatch)
	say(t.MaxPendingBytes != 0, "%d bytes of proposals at a time", t.MaxPendingBytes)
	say(t.MaxInflight != 0, "%d batches under way", t.MaxInflight)
	say(t.SnapshotSenders != 0, "%d snapshots sent at a time", t.SnapshotSenders)
	say(t.ApplyLatency != 0, "entries applied up to %v late", t.ApplyLatency)
	say(t.ApplyBatch != 0, "%d entries applied at a time", t.ApplyBatch)
	say(t.LeaseReads, "reads by lease")
	say(t.DisablePreVote, "no pre-vote")
	say(p.Broken, "the rest keeps some links")
	return set
}

// requestsInShort counts requests by kind.
func (p Plan) requestsInShort() string {
	count, keys := map[OperationKind]int{}, map[int]bool{}
	for _, r := range p.Requests {
		count[r.Kind]++
		keys[r.Key] = true
	}
	var kinds []string
	for kind, n := range count {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(kinds)
	first, last := p.Requests[0].At, p.Requests[len(p.Requests)-1].At
	return fmt.Sprintf("%d requests from %v to %v on %s: %s", len(p.Requests), first, last, counted(len(keys), "key"), strings.Join(kinds, ", "))
}

// String is what a fault does, without when.
func (f Fault) String() string {
	text := string(f.Kind)
	switch f.Kind {
	case Cut, OneWay:
		text += fmt.Sprintf(" %s %s", f.Target, f.Other)
	case Transfer:
		text += fmt.Sprintf(" to %s", f.Other)
	case Remove:
		text += " " + f.Other.String()
	case Split, Members:
		text += fmt.Sprintf(" (pick %d)", f.Pick)
	case Bridge:
		text += fmt.Sprintf(" %s (pick %d)", f.Target, f.Pick)
	default:
		text += " " + f.Target.String()
	}
	if f.Step != 0 && (f.Kind == Kill || f.Kind == Power) {
		text += fmt.Sprintf(", at the change %d of its disk", f.Step)
	}
	if f.For != 0 {
		text += fmt.Sprintf(" for %v", f.For)
	}
	return text
}

// String names the node, as traces do.
func (t Target) String() string {
	if t.Leader {
		return fmt.Sprintf("the leader (else n%d)", t.Node+1)
	}
	return fmt.Sprintf("n%d", t.Node+1)
}
