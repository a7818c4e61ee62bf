package sim

import (
	"regexp"
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

// mentions are the things that a broken promise's text names: nodes, terms and operations.
type mentions map[string]bool

var mentionable = regexp.MustCompile(`#\d+|\bt\d+\b|\d+(?:\.\.\d+)?@\d+`)

// mentioned finds what of a text can be found again in the texts of other steps.
func mentioned(text string) mentions {
	found := mentions{}
	for _, name := range mentionable.FindAllString(text, -1) {
		found[name] = true
	}
	return found
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

// plain replaces what would break a line or a column.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return '?'
		}
		return r
	}, text)
}
