package scenario

import (
	"strings"
	"testing"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/observe"
)

func killStep(name string) *Step {
	return &Step{Name: name, Kill: &Selector{}, Effect: map[string]float64{effectLeaders: 1}}
}

func TestLedger_MeasuresWhatAFaultDid(t *testing.T) {
	var l ledger
	before := cluster.Snapshot{Views: map[string]cluster.View{"n1": {Term: 3}}}
	cut := &Step{Name: "cut", Partition: &Partition{}, Effect: map[string]float64{effectHits: 5}}
	links := []cluster.Link{{From: "n1", To: "n2"}, {From: "n2", To: "n1"}}
	e := l.begin(cut, "leader | rest", nil, links, before, map[string]float64{"n1->n2": 10, "n3->n1": 100})
	e.From -= 1000 // a microsecond ago, so that the election below lies in the past
	after := cluster.Snapshot{
		Views: map[string]cluster.View{"n2": {Term: 5}},
		Elections: []cluster.Election{
			{Node: "n1", Term: 3, Mono: e.From - 1},
			{Node: "n2", Term: 5, Mono: e.From + 1},
		},
	}
	e.end(after, map[string]float64{"n1->n2": 12, "n2->n1": 2, "n3->n1": 200})
	for name, want := range map[string]float64{effectHits: 4, effectLeaders: 1, effectTerms: 2} {
		if got := e.Effect[name]; got != want {
			t.Errorf("%s %v, want %v", name, got, want)
		}
	}
	if got := l.faults()[0].MinEffect[effectHits]; got != 5 {
		t.Errorf("the judges are told of %v hits as the least, want 5", got)
	}
}

func TestLedger_AFaultEndsWhenItsLastNodeIsBack(t *testing.T) {
	var l ledger
	l.begin(killStep("k"), "2 followers", []string{"n1", "n2"}, nil, cluster.Snapshot{}, nil)
	l.begin(&Step{Name: "p", Pause: &Selector{}}, "n3", []string{"n3"}, nil, cluster.Snapshot{}, nil)
	if over := l.back([]string{"n1"}, "kill", "power", "stop"); len(over) != 0 {
		t.Errorf("over with one of two nodes back: %v", over)
	}
	if over := l.back([]string{"n2", "n3"}, "kill", "power", "stop"); len(over) != 1 || over[0].Name != "k" {
		t.Errorf("a restart ends %v, want the kill alone", over)
	}
}

func TestHitsByLink(t *testing.T) {
	got := hitsByLink(observe.Sample{Series: map[string]float64{
		`chaosproxy_faults_matched_total{fault="drop",link="n1->n2"}`:       2,
		`chaosproxy_faults_matched_total{fault="black_hole",link="n1->n2"}`: 3,
		`chaosproxy_faults_matched_total{fault="drop",link="n2->n1"}`:       7,
		`chaosproxy_frames_total{link="n1->n2"}`:                            1000,
	}})
	if got["n1->n2"] != 5 || got["n2->n1"] != 7 || len(got) != 2 {
		t.Errorf("hits %v", got)
	}
}

func TestCutLinks(t *testing.T) {
	groups := [][]string{{"n1"}, {"n2", "n3"}}
	if got := cutLinks(groups, ""); len(got) != 4 {
		t.Errorf("both ways: %v", got)
	}
	for _, l := range cutLinks(groups, "call") {
		if l.From != "n1" {
			t.Errorf("one way cuts %s", l.Name())
		}
	}
}

func finding(name string, v check.Verdict, when int64) check.Finding {
	return check.Finding{Check: name, Verdict: v, When: when, Summary: name + " " + string(v)}
}

func TestConclude_PlantedBug(t *testing.T) {
	second := int64(1e9)
	for _, c := range []struct {
		name     string
		findings []check.Finding
		want     check.Verdict
		summary  string
	}{
		{"caught", []check.Finding{finding("vote-once", check.Fail, 13*second), finding("load", check.Unknown, 0)}, check.Pass, "caught by vote-once after 3.0s"},
		{"the earliest counts", []check.Finding{finding("vote-once", check.Fail, 15*second), finding("election-safety", check.Fail, 12*second)}, check.Pass, "caught by election-safety after 2.0s"},
		{"no moment: the whole load", []check.Finding{finding("vote-once", check.Fail, 0)}, check.Pass, "after 5.0s"},
		{"too late", []check.Finding{finding("vote-once", check.Fail, 18*second)}, check.Fail, "only after 8.0s"},
		{"another check does not count", []check.Finding{finding("durability", check.Fail, 13*second)}, check.Fail, "escaped"},
		{"all well", []check.Finding{finding("vote-once", check.Pass, 0)}, check.Fail, "escaped"},
		{"too little to tell", []check.Finding{finding("vote-once", check.Pass, 0), finding("load", check.Unknown, 0)}, check.Unknown, "load unknown"},
	} {
		r := &run{
			s:     &Scenario{ExpectFail: &ExpectFail{Checks: []string{"vote-once", "election-safety"}, Within: Duration(6 * second)}},
			began: 10 * second, ended: 15 * second,
		}
		result := Result{Findings: c.findings}
		r.conclude(&result)
		if result.Verdict != c.want || !strings.Contains(result.Summary, c.summary) {
			t.Errorf("%s: %s, %q; want %s, …%s…", c.name, result.Verdict, result.Summary, c.want, c.summary)
		}
	}
}

func TestExcuse_LatenessOnAStarvedMachine(t *testing.T) {
	for _, c := range []struct {
		still time.Duration
		check string
		want  check.Verdict
	}{
		{400 * time.Millisecond, "commit-progress", check.Unknown},
		{400 * time.Millisecond, "elections", check.Unknown},
		{400 * time.Millisecond, "durability", check.Fail},
		{400 * time.Millisecond, "recovery", check.Unknown}, // it stalled
		{400 * time.Millisecond, "start", check.Fail},       // a node ended with an error
		{200 * time.Millisecond, "commit-progress", check.Fail},
	} {
		r := &run{s: &Scenario{}, still: c.still, late: map[string]bool{"recovery": true}}
		findings := []check.Finding{finding(c.check, check.Fail, 0)}
		r.excuse(findings)
		if got := findings[0].Verdict; got != c.want {
			t.Errorf("still for %v, %s failed: judged %s, want %s", c.still, c.check, got, c.want)
		}
	}
}

func TestElectionsUntil_LeavesTheStopOut(t *testing.T) {
	elections := []cluster.Election{{Node: "n1", Term: 1, Mono: 10}, {Node: "n2", Term: 2, Mono: 20}, {Node: "n3", Term: 3, Mono: 31}}
	if got := electionsUntil(elections, 30); got != 2 {
		t.Errorf("%d elections before the end, want 2", got)
	}
}

func TestSlowestScrape_OfProcessesThatAnswered(t *testing.T) {
	samples := map[string][]observe.Sample{
		"n1":    {{ScrapeDuration: 20 * time.Millisecond}, {ScrapeDuration: time.Second, Err: "connection refused"}},
		"proxy": {{ScrapeDuration: 580 * time.Millisecond}},
	}
	if got := slowestScrape(samples); got != 580*time.Millisecond {
		t.Errorf("slowest scrape %v, want 580ms", got)
	}
}

func TestLedger_AnExitLastsUntilTheNextStart(t *testing.T) {
	var l ledger
	l.ended("n2", 5)
	if open := l.open(); len(open) != 1 || open[0].Kind != check.FaultKill || open[0].From != 5 {
		t.Fatalf("in force: %+v", open)
	}
	if over := l.back([]string{"n1"}, "kill", "power", "stop"); len(over) != 0 {
		t.Errorf("the start of another ends %+v", over)
	}
	if over := l.back([]string{"n2"}, "kill", "power", "stop"); len(over) != 1 {
		t.Errorf("its start ends %d", len(over))
	}
}
