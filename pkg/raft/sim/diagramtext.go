package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// What the diagram reads from a step's text: StepKind lists its forms.

// word is the i-th word of a text, or nothing.
func word(text string, i int) string {
	words := strings.Fields(text)
	if i >= len(words) {
		return ""
	}
	return strings.TrimSuffix(words[i], ",")
}

// lastIndex is the highest index in "5..7@4", "7@4" or "7"; 0: there is none.
func lastIndex(entries string) uint64 {
	entries, _, _ = strings.Cut(entries, "@")
	if _, last, ok := strings.Cut(entries, ".."); ok {
		entries = last
	}
	index, err := strconv.ParseUint(entries, 10, 64)
	if err != nil {
		return 0
	}
	return index
}

// span1 writes a range of one entry as that entry.
func span1(entries string) string {
	indexes, term, _ := strings.Cut(entries, "@")
	if first, last, ok := strings.Cut(indexes, ".."); ok && first == last {
		return first + "@" + term
	}
	return entries
}

// positions as the protocol writes them, term first.
var position = regexp.MustCompile(`\b(\d+)\.(\d+)\b([^\w.]|$)`)

// positionsAsEntries writes "4.7" as "7@4", as all other texts do.
func positionsAsEntries(text string) string { return position.ReplaceAllString(text, "$2@$1$3") }

// mentions are what a broken promise's text names: operations, terms and indexes.
type mentions struct {
	operations map[string]bool // "#12"
	terms      map[string]bool // "t4"
	indexes    []uint64
	nodes      []protocol.NodeID
	elections  bool // it is of votes and terms; entries do not matter
	stuck      bool // it is of what does not happen: what changes nothing matters
}

var (
	anOperation = regexp.MustCompile(`#\d+`)
	aTerm       = regexp.MustCompile(`\bt(?:erm )?(\d+)\b`)
	anIndex     = regexp.MustCompile(`(?:^| )(\d+)(?:@\d+)?(?:$|[ ,:)])`)
	noIndex     = regexp.MustCompile(`(term|operation|session|sends \S+) \d+|\d+ (heartbeats|times)`)
)

// mentioned finds what of the last step's text can be found again in the texts of others.
func mentioned(text string) mentions {
	m := mentions{operations: map[string]bool{}, terms: map[string]bool{}}
	for _, name := range anOperation.FindAllString(text, -1) {
		m.operations[name] = true
	}
	for _, found := range aTerm.FindAllStringSubmatch(text, -1) {
		m.terms["t"+found[1]] = true
	}
	others := strings.ReplaceAll(noIndex.ReplaceAllString(text, ""), " ", "  ")
	for _, found := range anIndex.FindAllStringSubmatch(others, -1) {
		if index := lastIndex(found[1]); index > 0 {
			m.indexes = append(m.indexes, index)
		}
	}
	check, _, _ := strings.Cut(text, ":")
	m.stuck = slices.Contains([]string{Liveness, Calm, Convergence, HeartbeatLimit}, check)
	m.elections = m.stuck || slices.Contains([]string{ElectionSafety, VoteOnce, TermMonotonic, TermAdopted}, check) && len(m.indexes) == 0
	return m
}

// reaches are the entries of "5..7@4", from first to last.
type reaches struct{ first, last, term uint64 }

var entryRange = regexp.MustCompile(`(\d+)(?:\.\.(\d+))?@(\d+)`)

func reachesIn(text string) []reaches {
	text, _, _ = strings.Cut(text, ",")
	var all []reaches
	for _, found := range entryRange.FindAllStringSubmatch(text, -1) {
		r := reaches{lastIndex(found[1]), lastIndex(found[2]), lastIndex(found[3])}
		if found[2] == "" {
			r.last = r.first
		}
		all = append(all, r)
	}
	return all
}

// joined is one text for two appends in a row, or nothing.
func joined(before, after string) string {
	a, b := reachesIn(before), reachesIn(after)
	if word(before, 0) != "append" || len(a) != 1 || len(b) != 1 || a[0].term != b[0].term || b[0].first != a[0].last+1 {
		return ""
	}
	return fmt.Sprintf("append %d..%d@%d", a[0].first, b[0].last, a[0].term)
}

// nodesIn are those of nodes that a text names.
func nodesIn(text string, nodes []protocol.NodeID) []protocol.NodeID {
	var named []protocol.NodeID
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;:()'", r) })
	for _, node := range nodes {
		for _, w := range words {
			if w == string(node) {
				named = append(named, node)
				break
			}
		}
	}
	return named
}

// shortNames are what requests are called where room is short.
var shortNames = strings.NewReplacer("AppendEntries", "AE", "RequestVote", "RV", "InstallSnapshot", "IS", "ConfirmLeader", "CL")

var quoted = regexp.MustCompile(` "[^"]*"`)

// fit is a text's fullest form of at most room columns.
func fit(text string, room int) string {
	if room <= 0 {
		return ""
	}
	brief, _, _ := strings.Cut(text, ",")
	for _, form := range []string{text, brief, shortNames.Replace(brief), quoted.ReplaceAllString(shortNames.Replace(brief), "")} {
		if length(form) <= room {
			return form
		}
	}
	runes := []rune(quoted.ReplaceAllString(shortNames.Replace(brief), ""))
	return string(runes[:room-1]) + "…"
}

func length(text string) int { return len([]rune(text)) }

var longTime = regexp.MustCompile(`(\d\.\d{3})\d+(m?s)\b`)

// plain replaces what would break a line or a column, and shortens times.
func plain(text string) string {
	text = longTime.ReplaceAllString(text, "$1$2")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return '?'
		}
		return r
	}, text)
}
