package check

import (
	"context"
	"math"
	"slices"
	"strings"

	"whitewater/pkg/harness/observe"
)

// heartbeatLimit is the most heartbeats to one peer in any second.
const heartbeatLimit = 10

const heartbeatsSent = "raft_heartbeats_sent_total"

// heartbeatRate: no node sends a peer more than ten heartbeats in any second.
//
// Over one process's samples (with 0 heartbeats at 0 s before them), for every pair i < j the counter may grow by
// at most ten in each started second between them: any span of d seconds is covered by ceil(d) seconds
// of at most ten each. So an alarm is a proof, whatever the scrapes' pace, and restarts need no guess.
// AppendEntries with entries are no heartbeats and are not counted.
func heartbeatRate(_ context.Context, run *Run) Finding {
	d := newDocket(run, "heartbeat-rate")
	series := 0
	for _, node := range run.Nodes {
		judged := 0
		for _, process := range samplesByProcess(run.Samples[node]) {
			for _, key := range heartbeatSeries(process) {
				judged++
				if a, b, bad := tooFast(process, key); bad {
					d.breach(b.mono, node, "%s sent %s %.0f heartbeats in %.3f s, more than ten in each second: %s went from %.0f at %.3f s to %.0f at %.3f s of its process",
						node, peerOf(key), b.value-a.value, b.seconds-a.seconds, key, a.value, a.seconds, b.value, b.seconds)
				}
			}
		}
		if judged == 0 && run.hasPeers(node) {
			d.doubt("not observed: no samples of %s's %s", node, heartbeatsSent)
		}
		series += judged
	}
	d.saw(series)
	return d.conclude("no samples", "no pair of samples of %d counters shows more than ten heartbeats in a second", series)
}

// hasPeers reports whether a node may have had somebody to send heartbeats to: one that waits to be added has not.
func (r *Run) hasPeers(node string) bool {
	told := false
	for _, e := range r.Events[node] {
		if e.Event == observe.EventConfiguration {
			told = true
			if slices.ContainsFunc(e.Members, func(m observe.Member) bool { return m.ID != node }) {
				return true
			}
		}
	}
	return !told
}

func peerOf(key string) string {
	peer, ok := observe.Label(key, "peer")
	if !ok {
		return "a peer"
	}
	return peer
}

// heartbeatSeries are the counters that any of the samples has.
func heartbeatSeries(process []observe.Sample) []string {
	seen := map[string]bool{}
	for _, s := range process {
		for key := range s.Series {
			if strings.HasPrefix(key, heartbeatsSent+"{") {
				seen[key] = true
			}
		}
	}
	return sortedKeys(seen)
}

// reading is one value of a counter. It was taken between seconds and seconds + slack of its clock.
type reading struct {
	value, seconds, slack float64
	mono                  int64
}

// tooFast finds the first pair of readings between which the counter grew too fast.
func tooFast(process []observe.Sample, key string) (reading, reading, bool) {
	readings := readingsOf(process, key)
	// v - 10m falls along any pair within the limit, up to the part of a second that is rounded up; so a
	// reading that is not above the least before it needs no search.
	least := math.Inf(1)
	for j, b := range readings {
		if b.value-heartbeatLimit*(b.seconds+b.slack) > least {
			for _, a := range readings[:j] {
				if b.value-a.value > heartbeatLimit*math.Ceil(b.seconds+b.slack-a.seconds) {
					return a, b, true
				}
			}
		}
		least = min(least, b.value-heartbeatLimit*b.seconds)
	}
	return reading{}, reading{}, false
}

// readingsOf are the counter's values in order. A process that tells its own clock with them began with
// nothing sent at 0 s. For others the scrape's time stands in, and its duration as slack.
func readingsOf(process []observe.Sample, key string) []reading {
	var readings []reading
	for _, s := range process {
		value, ok := s.Series[key]
		if !ok {
			continue
		}
		r := reading{value: value, mono: s.Mono}
		if seconds, own := s.Series[monotonicSeries]; own {
			r.seconds = seconds
			if len(readings) == 0 {
				readings = append(readings, reading{})
			}
		} else {
			r.seconds, r.slack = float64(s.Mono)/1e9, s.ScrapeDuration.Seconds()
		}
		readings = append(readings, r)
	}
	return readings
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
