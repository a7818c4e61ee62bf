package protocol

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// configurationOf reads "n1 n2 n4=joining", with "joint:" before it if it is.
func configurationOf(text string) Configuration {
	var c Configuration
	for word := range strings.FieldsSeq(text) {
		if word == "joint:" {
			c.Joint = true
			continue
		}
		id, suffrage, ok := strings.Cut(word, "=")
		if !ok {
			suffrage = string(Voter)
		}
		c.Members = append(c.Members, Member{ID: NodeID(id), Suffrage: Suffrage(suffrage)})
	}
	return c
}

// TestChange_Steps: which configurations a change goes through, and which changes are none.
func TestChange_Steps(t *testing.T) {
	voter := func(ids ...NodeID) (add []Member) {
		for _, id := range ids {
			add = append(add, Member{ID: id})
		}
		return add
	}
	for _, c := range []struct {
		name, from string
		change     Change
		steps      []string // none: it is refused
	}{
		{"grow", "n1 n2 n3", Change{Add: voter("n4", "n5")}, []string{"n1 n2 n3 n4=joining n5=joining", "joint: n1 n2 n3 n4=joining n5=joining", "n1 n2 n3 n4 n5"}},
		{"shrink", "n1 n2 n3", Change{Remove: []NodeID{"n1"}}, []string{"joint: n1=leaving n2 n3", "n2 n3"}},
		{"replace", "n1 n2 n3", Change{Add: voter("n0"), Remove: []NodeID{"n3"}}, []string{"n0=joining n1 n2 n3=leaving", "joint: n0=joining n1 n2 n3=leaving", "n0 n1 n2"}},
		{"replace all", "n1", Change{Add: voter("n2"), Remove: []NodeID{"n1"}}, []string{"n1=leaving n2=joining", "joint: n1=leaving n2=joining", "n2"}},
		{"add a learner", "n1", Change{Add: []Member{{ID: "n2", Suffrage: Learner}}}, []string{"n1 n2=learner"}},
		{"promote", "n1 n2=learner", Change{Add: voter("n2")}, []string{"n1 n2=joining", "joint: n1 n2=joining", "n1 n2"}},
		{"drop a learner", "n1 n2=learner", Change{Remove: []NodeID{"n2"}}, []string{"n1"}},
		{"remove all", "n1 n2", Change{Remove: []NodeID{"n1", "n2"}}, nil},
		{"remove a stranger", "n1 n2", Change{Remove: []NodeID{"n3"}}, nil},
		{"add a member", "n1 n2", Change{Add: voter("n2")}, nil},
		{"add a learner again", "n1 n2=learner", Change{Add: []Member{{ID: "n2", Suffrage: Learner}}}, nil},
		{"add one without a name", "n1", Change{Add: voter("")}, nil},
		{"nothing", "n1", Change{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			next, err := configurationOf(c.from).begin(c.change)
			if c.steps == nil {
				if !errors.Is(err, ErrChange) {
					t.Fatalf("began %v, %v, want ErrChange", next, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range c.steps {
				if want := configurationOf(step); !next.sameSuffrages(want) {
					t.Fatalf("step %d is %v, want %v", i, next, want)
				}
				if parsed, err := ParseConfiguration(next.Encode()); err != nil || !parsed.sameSuffrages(next) {
					t.Errorf("step %d is read as %v, %v", i, parsed, err)
				}
				if next.Joint {
					next = next.finished()
				} else {
					next = next.joint()
				}
			}
		})
	}
}

// TestConfiguration_Tally: a joint configuration decides by majorities of both halves.
func TestConfiguration_Tally(t *testing.T) {
	for _, c := range []struct {
		configuration, yes, no string
		won, lost              bool
	}{
		{"n1 n2 n3", "n1 n2", "", true, false},
		{"n1 n2 n3", "n1", "", false, false},
		{"n1 n2 n3", "n1", "n2 n3", false, true},
		{"n1 n2", "n1", "n2", false, true},
		{"n1 n2 n3=learner", "n1 n3", "", false, false},
		{"n1 n2 n3=joining", "n1 n3", "", false, false},
		{"n1 n2 n3=leaving", "n1 n3", "", true, false},
		{"joint: n1 n2=leaving n3=leaving n4=joining n5=joining", "n1 n2", "", false, false},
		{"joint: n1 n2=leaving n3=leaving n4=joining n5=joining", "n1 n4", "", false, false},
		{"joint: n1 n2=leaving n3=leaving n4=joining n5=joining", "n1 n2 n4", "", true, false},
		{"joint: n1 n2=leaving n3=leaving n4=joining n5=joining", "n1", "n2 n3", false, true},
		{"joint: n1 n2=leaving n3=leaving n4=joining n5=joining", "n1 n2 n3", "n4 n5", false, true},
	} {
		votes := map[NodeID]bool{}
		for id := range strings.FieldsSeq(c.yes) {
			votes[NodeID(id)] = true
		}
		for id := range strings.FieldsSeq(c.no) {
			votes[NodeID(id)] = false
		}
		configuration := configurationOf(c.configuration)
		if won, lost := configuration.tally(votes); won != c.won || lost != c.lost {
			t.Errorf("%s, for it %s, against it %s: won %v, lost %v", c.configuration, c.yes, c.no, won, lost)
		}
		reached := majorityValue(configuration.halves(), func(id NodeID) time.Duration {
			if votes[id] {
				return 2
			}
			return 1
		}, func(a, b time.Duration) int { return int(a - b) })
		if (reached == 2) != c.won {
			t.Errorf("%s: a majority of each half reaches %d, with %s at 2", c.configuration, reached, c.yes)
		}
	}
}

// FuzzParseConfiguration: whatever is read can be written and read again, decides something, and stays within bounds.
func FuzzParseConfiguration(f *testing.F) {
	for _, seed := range []string{
		`{"members":[{"id":"n1","suffrage":"voter"}]}`,
		string(configurationOf("joint: n1 n2=leaving n3=joining n4=learner").Encode()),
		`{"members":[]}`, `{"members":[{"id":"n1","suffrage":"learner"}]}`, `{"members":null}{}`, `{"joint":true,"members":[{"id":"a","suffrage":"leaving"}]}`,
		`{"members":[{"id":"b","suffrage":"voter"},{"id":"a","suffrage":"voter"}]}`, `{"members":[{"id":"n1","suffrage":"king"}]}`, `[]`, ``, `{"x":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfiguration(data)
		if err != nil {
			return
		}
		for _, half := range c.halves() {
			if len(half) == 0 {
				t.Errorf("%v has a half without voters", c)
			}
		}
		again, err := ParseConfiguration(c.Encode())
		if err != nil || again.String() != c.String() || len(c.Members) > MaxMembers {
			t.Errorf("%v is read again as %v, %v", c, again, err)
		}
	})
}
