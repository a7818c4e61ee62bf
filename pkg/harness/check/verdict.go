package check

import "context"

// Verdict of a check, or of a run.
type Verdict string

const (
	Pass    Verdict = "pass"
	Fail    Verdict = "fail"
	Unknown Verdict = "unknown"
)

// Finding is what a check found.
type Finding struct {
	Check    string   `json:"check"`
	Verdict  Verdict  `json:"verdict"`
	Summary  string   `json:"summary"`            // one line
	When     int64    `json:"when,omitempty"`     // CLOCK_MONOTONIC ns of the first breach; 0: no one moment
	Node     string   `json:"node,omitempty"`     // the node concerned, if it is one
	Evidence []string `json:"evidence,omitempty"` // a line each
}

// Check is one judge.
type Check struct {
	Name     string
	Property string // one sentence
	Judge    func(context.Context, *Run) Finding
}

// Judge asks every check in All. After the context's end the remaining checks say unknown.
func Judge(ctx context.Context, run *Run) []Finding {
	checks := All()
	findings := make([]Finding, 0, len(checks))
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			findings = append(findings, Finding{Check: c.Name, Verdict: Unknown, Summary: "not judged: " + err.Error()})
			continue
		}
		findings = append(findings, c.Judge(ctx, run))
	}
	return findings
}

// Worst is the verdict of all findings together: fail before unknown before pass. No finding at all is unknown.
func Worst(findings []Finding) Verdict {
	if len(findings) == 0 {
		return Unknown
	}
	worst := Pass
	for _, f := range findings {
		switch {
		case f.Verdict == Fail:
			return Fail
		case f.Verdict != Pass:
			worst = Unknown
		}
	}
	return worst
}
