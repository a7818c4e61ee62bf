package sim

import (
	"fmt"
	"slices"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// drawing lays a story's moments out on a page.
type drawing struct {
	story *story
	kept  []int
	short bool // AE, RV: for want of room

	columns []protocol.NodeID // "" are the clients
	at      map[protocol.NodeID]int
	width   int // of a column
	look    map[protocol.NodeID]rune
	out     []string
	time    string // of the last row
}

const (
	margin  = 9 // of the time
	columns = 30
	crowded = 8 // heartbeats in a row that are worth telling
)

func newDrawing(s *story, kept []int, short bool) *drawing {
	d := &drawing{story: s, kept: kept, short: short, at: map[protocol.NodeID]int{}, look: map[protocol.NodeID]rune{}}
	used := map[protocol.NodeID]bool{}
	for _, i := range kept {
		m := s.moments[i]
		if m.Kind == Asked || m.Kind == Answered {
			used[""] = true
		}
		used[m.Node], used[m.From] = used[m.Node] || m.Node != "", used[m.From] || m.From != ""
	}
	for _, id := range append([]protocol.NodeID{""}, s.nodes...) {
		if used[id] && !slices.Contains(d.columns, id) {
			d.columns = append(d.columns, id)
		}
	}
	d.width = min(columns, (pageWidth-margin-1)/max(1, len(d.columns)))
	for i, id := range d.columns {
		d.at[id] = margin + 1 + i*d.width
		d.look[id] = runs
	}
	for _, i := range kept { // short names everywhere or nowhere
		from, to, label := s.moments[i].ends()
		d.short = d.short || from != to && shortNames.Replace(label) != label && max(d.at[from]-d.at[to], d.at[to]-d.at[from])-2 < length(label)
	}
	return d
}

// lines are the whole page.
func (d *drawing) lines() []string {
	d.heading()
	next := 0 // of the story's signs
	left, beats := 0, 0
	kept := 0
	for i, m := range d.story.moments {
		beats += m.beats
		if kept == len(d.kept) || d.kept[kept] != i {
			left++
			next = d.turn(next, i)
			continue
		}
		kept++
		next = d.turn(next, i)
		if beats >= crowded && len(d.out) > 2 {
			d.band(fmt.Sprintf("· %d heartbeats ·", beats))
			beats = 0
		}
		if m.Kind == Broken {
			d.broken(m)
			continue
		}
		d.row(m)
		beats = 0
	}
	if left > 0 {
		d.out = append(d.out, fmt.Sprintf("(left out, as the end did not come of them or they are old: %d)", left))
	}
	for i, line := range d.out {
		d.out[i] = strings.TrimRight(line, " ")
	}
	return d.out
}

func (d *drawing) heading() {
	d.out = append(d.out, legend(d.short))
	line := canvas(pageWidth)
	line.put(1, "seconds")
	for _, id := range d.columns {
		name := string(id)
		if id == "" {
			name = "clients"
		}
		line.put(d.at[id], fit(name, d.width-1))
	}
	d.out = append(d.out, string(line))
}

// turn makes the columns look as they do after moment i.
func (d *drawing) turn(next, i int) int {
	for ; next < len(d.story.signs) && d.story.signs[next].moment <= i; next++ {
		d.look[d.story.signs[next].node] = d.story.signs[next].column
	}
	return next
}

// line is a row with nothing but the columns.
func (d *drawing) line() canvasLine {
	line := canvas(pageWidth)
	for _, id := range d.columns {
		if id == "" {
			line.put(d.at[id], "·")
			continue
		}
		line.put(d.at[id], string(d.look[id]))
	}
	return line
}

// band writes a text over the middle of a row.
func (d *drawing) band(text string) {
	line := d.line()
	line.put(margin+1+d.width/4, " "+text+" ")
	d.out = append(d.out, string(line))
}

// row draws one moment.
func (d *drawing) row(m *moment) {
	line := d.line()
	if stamp := fmt.Sprintf("%8.3f", m.At.Seconds()); stamp != d.time {
		line.put(0, fit(stamp, margin))
		d.time = stamp
	}
	effects := strings.Join(m.effects, ", ")
	from, to, label := m.ends()
	switch {
	case m.Node == "" && (m.Kind == Faulted || m.Kind == Phase):
		line.fill(margin+1, margin+len(d.columns)*d.width, '~')
		line.put(margin+4, " "+fit(m.Text, pageWidth-margin-10)+" ")
		effects = ""
	case m.Kind == Faulted:
		effects = "~ " + m.Text
	case m.Kind == Answered && m.Node == "":
		effects = m.Text
	case from != to:
		effects = d.arrow(line, d.at[from], d.at[to], label, effects, m.Kind == Lost)
		if effects != "" { // no room: a row of their own
			d.out = append(d.out, string(line))
			line = d.line()
		}
	}
	if effects != "" {
		x := d.at[to] + 2
		line.put(x, fit(effects, pageWidth-x))
	}
	d.out = append(d.out, string(line))
}

// ends says from which column to which a moment goes, and what stands on its way.
func (m *moment) ends() (from, to protocol.NodeID, label string) {
	switch m.Kind {
	case Delivered, Lost:
		if len(m.effects) > 0 && strings.HasPrefix(m.Text, "pre-vote") {
			return m.Node, m.Node, "" // who grants that matters little
		}
		return m.From, m.Node, m.label()
	case Asked:
		return "", m.Node, m.label()
	case Answered:
		return m.Node, "", m.label()
	}
	return m.Node, m.Node, ""
}

// label is a message without its details.
func (m *moment) label() string {
	label, _, _ := strings.Cut(m.Text, ",")
	if m.times > 1 {
		label += fmt.Sprintf(" ×%d", m.times)
	}
	return label
}

// arrow draws from one column to another, and the effects right of the latter; it returns those that have no room there.
func (d *drawing) arrow(line canvasLine, from, to int, label, effects string, lost bool) string {
	head, low, high := '>', from+1, to-1 // both inside
	if to < from {
		head, low, high = '<', to+1, from-1
	}
	if lost {
		head = 'x'
	}
	if d.short {
		label = shortNames.Replace(label)
	}
	if space := high - low - length(label) - 4; to > from || effects == "" {
		room := pageWidth - to - 2
		if brief := fit(effects, room); length(brief) > room/2 || brief == effects {
			line.put(to+2, brief)
			effects = ""
		}
	} else if length(effects)+2 <= space {
		line.put(low+1, effects+" ") // over a column that ends there
		low += length(effects) + 2
		effects = ""
	}
	line.fill(low, high+1, '─')
	if to < from {
		line[low] = head
	} else {
		line[high] = head
	}
	text := fit(label, high-low-1)
	line.put(low+max(1, (high-low+1-length(text))/2), text)
	return effects
}

// broken writes the promise that was broken below the columns.
func (d *drawing) broken(m *moment) {
	stamp := fmt.Sprintf("%8.3f", m.At.Seconds())
	for i, text := range wrap("BROKEN: "+m.Text, pageWidth-margin-1, 5) {
		line := canvas(pageWidth)
		if i == 0 {
			line.put(0, fit(stamp, margin))
		}
		line.put(margin+1, text)
		d.out = append(d.out, string(line))
	}
}

// fill draws one sign from one place to before another.
func (c canvasLine) fill(from, to int, r rune) {
	for x := from; x < min(to, len(c)); x++ {
		c[x] = r
	}
}

// canvasLine is a row of columns.
type canvasLine []rune

func canvas(width int) canvasLine { return canvasLine(strings.Repeat(" ", width)) }

// put writes a text; what is beyond the end is cut.
func (c canvasLine) put(x int, text string) {
	for _, r := range text {
		if x >= 0 && x < len(c) {
			c[x] = r
		}
		x++
	}
}
