package check

import (
	"context"
	"math"
	"slices"
	"time"

	"whitewater/pkg/harness/observe"
)

// heartbeatAgreement: a node's count of heartbeats and the proxy's agree, so neither lies.
//
// The node counts a heartbeat once its frame is fully written, the proxy once it is fully received. So the
// proxy may be ahead by one per process of the node (the one between being received and being counted), and by
// what a process may have sent after its last scrape; the node may be ahead by three, and by two for each
// connection that ended with frames in it.
func heartbeatAgreement(_ context.Context, run *Run) Finding {
	d := newDocket(run, "heartbeat-agreement")
	proxy, ok := lastGood(run.Proxy)
	if !ok {
		d.doubt("not observed: no samples of the proxy")
		return d.conclude("", "")
	}
	total := 0.0
	for _, node := range run.Nodes {
		for _, peer := range run.Nodes {
			if peer == node {
				continue
			}
			total += d.agree(node, peer, proxy)
		}
	}
	d.saw(int(total))
	return d.conclude("no heartbeat was sent", "nodes and proxy agree on %.0f heartbeats", total)
}

// agree compares the counts of one link and returns the proxy's.
func (d *docket) agree(node, peer string, proxy observe.Sample) float64 {
	link := node + "->" + peer
	seen, watched := proxy.Series[observe.Key("chaosproxy_watch_frames_total", "link", link, "watch", "heartbeat")]
	if !watched {
		d.doubt("not observed: the proxy does not count heartbeats of %s", link)
		return 0
	}
	sent, ahead, behind, known := d.run.heartbeatsSent(node, peer, proxy)
	if !known && seen > 0 {
		d.doubt("not observed: no samples of %s's heartbeats to %s", node, peer)
		return seen
	}
	ended := connectionsEnded(proxy, link)
	if over := seen - sent; over > behind {
		d.breach(proxy.Mono, node, "%s says it sent %s %.0f heartbeats, the proxy received %.0f: %.0f more, and at most %.0f can have come after the last scrapes",
			node, peer, sent, seen, over, behind)
	}
	if over := sent - seen; over > 3+2*ended+ahead {
		d.breach(proxy.Mono, node, "%s says it sent %s %.0f heartbeats, the proxy received %.0f: %.0f fewer, and at most %.0f can have been lost in %.0f ended connections or scraped later",
			node, peer, sent, seen, over, 3+2*ended+ahead, ended)
	}
	return seen
}

// heartbeatsSent sums the last counts of all processes of a node; behind is how many heartbeats the proxy may
// have received beyond them, ahead how many the node may have counted after the proxy's scrape.
func (r *Run) heartbeatsSent(node, peer string, proxy observe.Sample) (sent, ahead, behind float64, known bool) {
	key := observe.Key(heartbeatsSent, "peer", peer)
	processes := samplesByProcess(r.Samples[node])
	for i, process := range processes {
		last := process[len(process)-1]
		counted, unsure, has := r.countOf(process, key)
		known = known || has
		sent += counted
		behind += unsure
		end := proxy.End()
		if i+1 < len(processes) {
			end = min(end, processes[i+1][0].Mono)
		}
		end = r.endOfProcess(node, last.Mono, end)
		behind += 1 + r.heartbeatsIn(end-last.Mono)
		ahead += r.heartbeatsIn(last.End() - proxy.Mono)
	}
	// A process that was never scraped has sent what nobody counted.
	for _, gap := range r.unscraped(node) {
		behind += 1 + r.heartbeatsIn(gap)
	}
	return sent, ahead, behind, known
}

// countOf is what a process's pages show of a counter. A counter goes with the member that it is about and begins anew if
// that one is added again; unsure is how much the process may have counted behind the last page that had it.
func (r *Run) countOf(process []observe.Sample, key string) (counted, unsure float64, has bool) {
	before, there := 0.0, false
	var at int64
	for _, s := range process {
		value, ok := s.Series[key]
		if there && (!ok || value < before) {
			counted += before
			unsure += 1 + r.heartbeatsIn(s.End()-at)
			before = 0
		}
		if there = ok; ok {
			has, before, at = true, value, s.Mono
		}
	}
	return counted + before, unsure, has
}

// heartbeatsIn is the most heartbeats that fit into so many nanoseconds.
func (r *Run) heartbeatsIn(ns int64) float64 {
	if ns <= 0 {
		return 0
	}
	interval := float64(r.HeartbeatInterval)
	if interval <= 0 {
		interval = 1e9 / heartbeatLimit
	}
	return math.Ceil(float64(ns) / interval)
}

// killTime is how long a kill may take from the moment at which the fault is said to begin.
const killTime = int64(time.Second)

// endOfProcess is when the process that lived at since had ended at the latest: soon after its kill began, at
// the next one's start, or at limit.
func (r *Run) endOfProcess(node string, since, limit int64) int64 {
	for _, e := range r.Events[node] {
		if e.Event == observe.EventStart && e.Mono > since {
			limit = min(limit, e.Mono)
		}
	}
	for _, f := range r.Faults {
		if f.stops() && f.Kind != FaultPause && f.From > since && slices.Contains(r.nodesOf(f), node) {
			limit = min(limit, f.From+killTime)
		}
	}
	return limit
}

// unscraped are the lives, in nanoseconds, of processes that no sample shows, by their events.
func (r *Run) unscraped(node string) []int64 {
	var lives []int64
	for _, process := range eventsByProcess(r.Events[node]) {
		from := process[0].Mono
		to := r.endOfProcess(node, from, r.End)
		scraped := slices.ContainsFunc(r.Samples[node], func(s observe.Sample) bool {
			return s.Err == "" && s.End() >= from && s.Mono <= to
		})
		if !scraped {
			lives = append(lives, to-from)
		}
	}
	return lives
}

// connectionsEnded counts the connections of a link that are no more, refused ones too: their caller had
// connected, and may have written before it noticed.
func connectionsEnded(proxy observe.Sample, link string) float64 {
	ended := -proxy.Series[observe.Key("chaosproxy_connections", "link", link)]
	for _, result := range []string{"accepted", "refused", "dial_failed"} {
		ended += proxy.Series[observe.Key("chaosproxy_connections_total", "link", link, "result", result)]
	}
	return max(0, ended)
}

func lastGood(samples []observe.Sample) (observe.Sample, bool) {
	for _, s := range slices.Backward(samples) {
		if s.Err == "" {
			return s, true
		}
	}
	return observe.Sample{}, false
}
