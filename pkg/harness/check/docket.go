package check

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxEvidence bounds the lines of one finding: a broken cluster breaks a rule thousands of times.
const maxEvidence = 20

// docket gathers what one check sees, and makes the finding of it.
type docket struct {
	run      *Run
	finding  Finding
	seen     int // things judged
	breaches int
	doubts   []string // why a pass would claim too much
}

func newDocket(run *Run, check string) *docket {
	return &docket{run: run, finding: Finding{Check: check}}
}

// saw counts n things that were judged: the check is not vacuous.
func (d *docket) saw(n int) { d.seen += n }

// doubt keeps the check from passing.
func (d *docket) doubt(format string, args ...any) {
	d.doubts = append(d.doubts, fmt.Sprintf(format, args...))
}

// breach notes that the rule was broken. when 0: at no one moment.
func (d *docket) breach(when int64, node, format string, args ...any) {
	d.breaches++
	what := fmt.Sprintf(format, args...)
	if when != 0 {
		what = fmt.Sprintf("%s %s (%s)", d.run.at(when), what, d.run.under(when))
	}
	first := d.breaches == 1 || when != 0 && (d.finding.When == 0 || when < d.finding.When)
	if first {
		d.finding.When, d.finding.Node, d.finding.Summary = when, node, what
	}
	if d.breaches <= maxEvidence {
		d.finding.Evidence = append(d.finding.Evidence, what)
	}
}

// conclude makes the finding; the summary is what a pass says, the vacuous text what is missing when nothing was seen.
func (d *docket) conclude(vacuous, summary string, args ...any) Finding {
	f := d.finding
	switch {
	case d.breaches > 0:
		f.Verdict = Fail
		if more := d.breaches - maxEvidence; more > 0 {
			f.Evidence = append(f.Evidence, fmt.Sprintf("and %d more", more))
		}
	case len(d.doubts) > 0:
		f.Verdict = Unknown
		f.Summary = d.doubts[0]
		f.Evidence = d.doubts
	case d.seen == 0:
		f.Verdict = Unknown
		f.Summary = "not observed: " + vacuous
	default:
		f.Verdict = Pass
		f.Summary = fmt.Sprintf(summary, args...)
	}
	return f
}

// needEvents doubts if some node's events are missing: what it did is not known.
func (d *docket) needEvents() {
	for _, node := range d.run.Nodes {
		if len(d.run.Events[node]) == 0 {
			d.doubt("no events of %s", node)
		}
	}
}

// at writes a moment as an offset from the run's start.
func (r *Run) at(mono int64) string {
	return fmt.Sprintf("%+.3fs", time.Duration(mono-r.Start).Seconds())
}

// under names the faults in force at a moment.
func (r *Run) under(mono int64) string {
	var names []string
	for _, f := range r.Faults {
		if f.From <= mono && (f.To == 0 || mono < f.To) {
			names = append(names, f.String())
		}
	}
	if len(names) == 0 {
		return "no fault in force"
	}
	return "under " + strings.Join(names, ", ")
}

// String names a fault in a line of evidence.
func (f Fault) String() string {
	s := f.Kind
	if f.Name != "" && f.Name != f.Kind {
		s += " " + f.Name
	}
	if f.Target != "" {
		s += " of " + f.Target
	}
	if len(f.Nodes) > 0 && !slices.Equal(f.Nodes, []string{f.Target}) {
		s += " (" + strings.Join(f.Nodes, " ") + ")"
	}
	return s
}
