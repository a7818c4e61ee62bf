package wire

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

func wirePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// pageFrames returns the page's examples as frames.
func pageFrames(t *testing.T) []Frame {
	t.Helper()
	var frames []Frame
	for _, block := range regexp.MustCompile("(?s)```hex\n(.*?)```").FindAllStringSubmatch(wirePage(t), -1) {
		var digits strings.Builder
		for line := range strings.Lines(block[1]) {
			code, _, _ := strings.Cut(line, "#")
			digits.WriteString(code)
		}
		f, err := ParseFrame(unhex(t, digits.String()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, block[1])
		}
		frames = append(frames, f)
	}
	return frames
}

// requestVote and its reply have the fields that the page's examples show.
type requestVote struct {
	Cluster, From, To, Directory string
	Term                         uint64
	CandidateID                  string
	LastLogIndex, LastLogTerm    uint64
	PreVote, Transfer            bool
	ToDirectory                  string
}

type requestVoteReply struct {
	Directory, Address string
	Term               uint64
	VoteGranted        bool
}

func TestPage_ExamplesAreWhatWeSend(t *testing.T) {
	frames := pageFrames(t)
	if len(frames) != 3 {
		t.Fatalf("%d examples", len(frames))
	}
	limits := Limits{}.withDefaults()
	e := newEncoder(newHandle(limits), limits)
	request := requestVote{"c", "n1", "n2", "d1", 7, "n1", 300, 6, true, false, "d2"}
	if err := e.encode(&request); err != nil {
		t.Fatal(err)
	}
	if want := e.frame(appendRequestHead(nil, 300, "Raft.RequestVote")); !bytes.Equal(frames[0].Raw, want) {
		t.Errorf("request: the page has\n% x\nwe send\n% x", frames[0].Raw, want)
	}
	if err := e.encode(&requestVoteReply{"d2", "10.0.0.2:1", 7, true}); err != nil {
		t.Fatal(err)
	}
	if want := e.frame(append(appendResponseHead(nil, 300), 0xc0)); !bytes.Equal(frames[1].Raw, want) {
		t.Errorf("response: the page has\n% x\nwe send\n% x", frames[1].Raw, want)
	}
	if want := AppendErrorResponse(nil, 300, `unknown_method: there is no method "Raft.Vote"`); !bytes.Equal(frames[2].Raw, want) {
		t.Errorf("error: the page has\n% x\nwe send\n% x", frames[2].Raw, want)
	}
	var got requestVote
	if err := newDecoder(newHandle(limits)).decode(frames[0].Body, &got); err != nil || got != request {
		t.Errorf("the page's request decodes to %+v, %v", got, err)
	}
}

func TestPage_NamesEveryCode(t *testing.T) {
	_, section, _ := strings.Cut(wirePage(t), "## Errors")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, row := range (Codes{}).all() {
		if !strings.Contains(section, "`"+row.Name+"`") {
			t.Errorf("the section on errors misses %s", row.Name)
		}
	}
}
