package sim

import (
	"strings"

	"whitewater/pkg/raft/protocol"
)

// The page that a diagram fills at most.
const (
	pageLines = 60
	pageWidth = 110
)

// Diagram draws a run as a space-time diagram in text, of 60 lines of 110 columns at most: a column for each node and one
// for the clients, time downwards, messages as arrows from where they left to where they arrived. What did not matter to
// the run's end is left out: first what is not in its past by happens-before, at last the oldest.
func Diagram(steps []Step, nodes []protocol.NodeID) string {
	story := newStory(readable(steps), nodes)
	story.relate()
	for _, try := range []struct {
		rank, lines int
		short       bool
	}{{1, pageLines * 2 / 5, false}, {2, pageLines, false}, {2, pageLines, true}} {
		if lines := newDrawing(story, story.worth(try.rank), try.short).lines(); len(lines) <= try.lines {
			return strings.Join(lines, "\n") + "\n"
		}
	}
	for kept := story.worth(2); ; {
		lines := newDrawing(story, kept, true).lines()
		excess := len(lines) - pageLines
		if excess <= 0 {
			return strings.Join(lines, "\n") + "\n"
		}
		kept = story.drop(kept, excess)
	}
}

// readable are the steps with texts that cannot break a line, the broken promise at their end: what its instant still
// brought led to it.
func readable(steps []Step) []Step {
	clean := make([]Step, 0, len(steps))
	var end []Step
	for _, step := range steps {
		step.Text = plain(step.Text)
		step.Node, step.From = protocol.NodeID(plain(string(step.Node))), protocol.NodeID(plain(string(step.From)))
		switch {
		case len(end) > 0 && step.At > end[0].At:
			continue
		case step.Kind == Broken && len(end) == 0:
			check, _, _ := strings.Cut(step.Text, ":")
			step.Text = strings.Replace(positionsAsEntries(step.Text), ": "+check+": ", ": ", 1)
			end = []Step{step}
		case step.Kind != Broken:
			clean = append(clean, step)
		}
	}
	return append(clean, end...)
}

// legend explains a drawing's signs in one line.
func legend(short bool) string {
	signs := "║ leads, │ runs, : down; ──x lost; t4 term 4; 5..7@4 entries 5..7 of term 4"
	if short {
		signs += "; AE AppendEntries, RV RequestVote"
	}
	return signs
}

// wrap breaks a text into at most most lines of at most width columns, at spaces where there are any.
func wrap(text string, width, most int) []string {
	var lines []string
	line := ""
	for _, w := range strings.Fields(text) {
		for length(w) > width {
			w = fit(w, width)
		}
		switch {
		case line == "":
			line = w
		case length(line)+1+length(w) <= width:
			line += " " + w
		default:
			lines, line = append(lines, line), w
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] = fit(lines[most-1]+strings.Repeat(" …", width), width)
	}
	return lines
}
