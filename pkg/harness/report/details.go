package report

import (
	"fmt"
	"strings"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/scenario"
)

const maxEvidence = 8 // lines of one finding on the terminal; result.json has them all

// details says what broke, when, under which fault, and how to run it again.
func details(r scenario.Result) []string {
	var lines []string
	for _, f := range r.Findings {
		if f.Verdict == check.Pass {
			continue
		}
		line := fmt.Sprintf("%s: %s: %s", f.Verdict, f.Check, f.Summary)
		if f.Node != "" {
			line += " (node " + f.Node + ")"
		}
		if f.When != 0 && r.Start != 0 {
			line += fmt.Sprintf(", %.3fs after the load began, %s", time.Duration(f.When-r.Start).Seconds(), under(r.Faults, f.When))
		}
		lines = append(lines, line)
		for i, e := range f.Evidence {
			if i == maxEvidence {
				lines = append(lines, fmt.Sprintf("    … %d more in result.json", len(f.Evidence)-i))
				break
			}
			lines = append(lines, "    "+e)
		}
	}
	return append(lines, "folder: "+r.Folder, "again:  "+Again(r))
}

// under names the faults in force at a moment.
func under(faults []check.Fault, when int64) string {
	var names []string
	for _, f := range faults {
		if f.From <= when && (f.To == 0 || when <= f.To) {
			names = append(names, fmt.Sprintf("%s (%s %s)", f.Name, f.Kind, f.Target))
		}
	}
	if len(names) == 0 {
		return "under no fault"
	}
	return "under " + strings.Join(names, ", ")
}

// Again is the command that runs the scenario again with the same seed.
func Again(r scenario.Result) string {
	return fmt.Sprintf("harness run %s --seed %d", r.Name(), r.Seed)
}
