package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// The runner's own findings that a planted bug may be caught by.
const (
	findTimeline = "timeline"
	findOutage   = "write-outage"
)

// judgeTime bounds the judging of one run.
const judgeTime = 60 * time.Second

// The node's defaults of what the judges must know.
const (
	defaultElectionTimeout   = 600 * time.Millisecond
	defaultHeartbeatInterval = 120 * time.Millisecond
)

// Result is what came of a run. Times in findings and faults are CLOCK_MONOTONIC nanoseconds; Start is the load's.
type Result struct {
	Scenario    string          `json:"scenario"`
	File        string          `json:"file,omitempty"` // set by the caller for a scenario outside the catalogue
	Verdict     check.Verdict   `json:"verdict"`
	Summary     string          `json:"summary"` // one line
	Seed        uint64          `json:"seed"`
	Folder      string          `json:"folder"`
	Started     time.Time       `json:"started"`
	Seconds     float64         `json:"seconds"`
	Interrupted bool            `json:"interrupted,omitempty"`
	Caught      *Caught         `json:"caught,omitempty"` // with expect_fail
	Load        map[string]int  `json:"load"`             // acknowledged operations by kind
	Elections   int             `json:"elections"`
	Still       float64         `json:"still"` // longest time, in seconds, for which the harness itself got no processor
	Findings    []check.Finding `json:"findings"`
	Faults      []check.Fault   `json:"faults"`
	Start       int64           `json:"start"`
	End         int64           `json:"end"`
}

// Name is what to call the scenario by on the command line: its name in the catalogue, or its file.
func (r Result) Name() string {
	if r.File != "" {
		return r.File
	}
	return r.Scenario
}

// Caught says how a planted bug was found.
type Caught struct {
	By    string  `json:"by"`    // check
	After float64 `json:"after"` // seconds of load; of the whole run where the check names no moment
}

// judge asks all checks, adds what the runner itself found, and writes it down.
func (r *run) judge(ctx context.Context, interrupted bool) Result {
	r.phase("judge")
	result := Result{
		Scenario: r.s.Name, Seed: r.o.Seed, Folder: r.o.Dir, Load: map[string]int{},
		Faults: r.ledger.faults(), Start: r.began, End: r.ended, Interrupted: interrupted, Still: r.still.Seconds(),
	}
	if r.load != nil {
		for kind, c := range r.load.Stats().ByKind {
			result.Load[string(kind)] = c.OK
		}
	}
	if r.cluster != nil {
		r.exits()
		result.Elections = electionsUntil(r.cluster.Snapshot().Elections, r.ended)
	}
	if result.Interrupted {
		result.Verdict, result.Summary, result.Findings = check.Unknown, "interrupted", r.findings
		return result
	}
	var judged []check.Finding
	if r.load != nil {
		judgeCtx, cancel := context.WithTimeout(ctx, judgeTime)
		defer cancel()
		judged = check.Judge(judgeCtx, r.evidence())
		r.expectations(result.Elections)
		r.judgeTransfers()
	}
	result.Findings = append(judged, r.findings...)
	r.excuse(result.Findings)
	r.conclude(&result)
	return result
}

// exits turns processes that ended unasked into findings.
func (r *run) exits() {
	for _, e := range r.cluster.Unexpected() {
		r.findings = append(r.findings, check.Finding{
			Check: "node-exit", Verdict: check.Fail, Node: e.Node, When: e.Mono,
			Summary: fmt.Sprintf("%s ended unasked: %s", e.Node, e.How),
		})
	}
	if r.proxyGone {
		r.findings = append(r.findings, check.Finding{Check: "proxy-exit", Verdict: check.Unknown, Summary: "the proxy ended during the run"})
	}
}

// expectations judges what the file expects beside the checks.
func (r *run) expectations(elections int) {
	if b := r.s.Expect.Elections; b != nil {
		later := elections - 1 // after the first leader's
		f := check.Finding{Check: "elections", Verdict: check.Pass, Summary: fmt.Sprintf("%d leaders after the first", later)}
		if later < b.Min {
			f.Verdict, f.Summary = check.Unknown, fmt.Sprintf("%d leaders elected after the first, at least %d expected", later, b.Min)
		}
		if b.Max != nil && later > *b.Max {
			f.Verdict, f.Summary = check.Fail, fmt.Sprintf("%d leaders elected after the first, at most %d expected", later, *b.Max)
		}
		r.findings = append(r.findings, f)
	}
}

// electionsUntil counts those before the nodes were asked to stop: that the others replace a leader who has gone
// already is no churn.
func electionsUntil(elections []cluster.Election, ended int64) int {
	count := 0
	for _, e := range elections {
		if e.Mono <= ended {
			count++
		}
	}
	return count
}

// evidence is the run as package check wants it.
func (r *run) evidence() *check.Run {
	e := &check.Run{
		Name: r.s.Name, Seed: r.o.Seed, Nodes: r.started(),
		T: r.flag("election-timeout", defaultElectionTimeout), HeartbeatInterval: r.flag("heartbeat-interval", defaultHeartbeatInterval),
		History: r.load.History(), Events: map[string][]observe.Event{}, Samples: r.scraper.Samples(),
		Faults: r.ledger.faults(), Start: r.began, End: r.ended, Logs: r.logs,
		Expect:        check.Expectations{MinOK: map[load.Kind]int{}},
		Visualization: filepath.Join(r.o.Dir, "linearizability.html"),
	}
	e.Proxy = e.Samples[proxyName]
	delete(e.Samples, proxyName)
	for kind, least := range r.s.Expect.OK {
		e.Expect.MinOK[load.Kind(kind)] = least
	}
	for _, n := range e.Nodes {
		events, err := observe.ReadEvents(r.cluster.EventLog(n))
		if err != nil {
			r.find("event-log", check.Unknown, fmt.Errorf("%s: %w", n, err))
		}
		e.Events[n] = events
	}
	return e
}

// flag is a duration among the scenario's flags, or the node's default.
func (r *run) flag(name string, def time.Duration) time.Duration {
	if d, err := time.ParseDuration(r.s.Cluster.Flags[name]); err == nil {
		return d
	}
	return def
}

// conclude draws the verdict from the findings.
func (r *run) conclude(result *Result) {
	worst := check.Worst(result.Findings)
	if r.s.ExpectFail != nil {
		r.concludeMutant(result, worst)
		return
	}
	result.Verdict = worst
	if worst == check.Pass {
		result.Summary = fmt.Sprintf("%s; %d elections", okText(r.load.Stats()), result.Elections)
		return
	}
	var words []string
	for _, f := range result.Findings {
		if f.Verdict == worst {
			words = append(words, f.Check+": "+f.Summary)
		}
	}
	result.Summary = strings.Join(words, "; ")
}

// concludeMutant passes if a named check failed in time, whatever else there is.
func (r *run) concludeMutant(result *Result, worst check.Verdict) {
	x := r.s.ExpectFail
	for _, f := range result.Findings {
		if f.Verdict != check.Fail || !slices.Contains(x.Checks, f.Check) {
			continue
		}
		when := f.When
		if when == 0 {
			when = r.ended
		}
		caught := Caught{By: f.Check, After: max(0, time.Duration(when-r.began).Seconds())}
		if result.Caught == nil || caught.After < result.Caught.After {
			result.Caught = &caught
		}
	}
	switch {
	case result.Caught == nil && worst == check.Unknown:
		result.Verdict = check.Unknown
		result.Summary = "not caught, and the run was too little to tell: " + r.firstOf(result, check.Unknown)
	case result.Caught == nil:
		result.Verdict = check.Fail
		result.Summary = fmt.Sprintf("escaped: none of %s failed", strings.Join(x.Checks, ", "))
	case x.Within != 0 && result.Caught.After > time.Duration(x.Within).Seconds():
		result.Verdict = check.Fail
		result.Summary = fmt.Sprintf("caught by %s only after %.1fs, within %v expected", result.Caught.By, result.Caught.After, time.Duration(x.Within))
	default:
		result.Verdict = check.Pass
		result.Summary = fmt.Sprintf("caught by %s after %.1fs", result.Caught.By, result.Caught.After)
	}
}

func (r *run) firstOf(result *Result, v check.Verdict) string {
	for _, f := range result.Findings {
		if f.Verdict == v {
			return f.Check + ": " + f.Summary
		}
	}
	return ""
}

// write puts the result, the faults and the nodes' final logs into the run's folder.
func (r *run) write(result Result) error {
	for name, v := range map[string]any{"result.json": result, "logs.json": r.logs} {
		text, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(r.o.Dir, name), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	var lines []byte
	for _, f := range result.Faults {
		line, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("write faults.jsonl: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	return os.WriteFile(filepath.Join(r.o.Dir, "faults.jsonl"), lines, 0o644)
}
