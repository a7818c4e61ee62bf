package scenario

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/observe"
)

// view is a node that knows members: n1 votes, and those of the other sorts.
func view(index uint64, committed, joint bool, voters, joining, leaving []string) cluster.View {
	c := cluster.Configuration{Index: index, Committed: committed, Joint: joint}
	for suffrage, ids := range map[string][]string{observe.Voter: voters, observe.Joining: joining, observe.Leaving: leaving} {
		for _, id := range ids {
			c.Members = append(c.Members, observe.Member{ID: id, Suffrage: suffrage})
		}
	}
	return cluster.View{Configuration: c}
}

func TestChange_BegunAndOver(t *testing.T) {
	type ids = []string
	c := change{add: ids{"n4"}, remove: ids{"n1"}, since: 7}
	before := view(7, true, false, ids{"n1", "n2", "n3"}, nil, nil)
	for _, tc := range []struct {
		what        string
		now         cluster.View
		begun, over bool
	}{
		{"nothing has happened", before, false, false},
		{"it is in a log", view(9, false, false, ids{"n2", "n3"}, ids{"n4"}, ids{"n1"}), true, false},
		{"it is joint", view(10, true, true, ids{"n2", "n3"}, ids{"n4"}, ids{"n1"}), true, false},
		{"its end is in a log", view(11, false, false, ids{"n2", "n3", "n4"}, nil, nil), false, false},
		{"its end is committed", view(11, true, false, ids{"n2", "n3", "n4"}, nil, nil), false, true},
		{"another change", view(9, true, false, ids{"n1", "n2", "n3"}, ids{"n5"}, nil), false, false},
		{"it was taken back", view(9, true, false, ids{"n1", "n2", "n3"}, nil, nil), false, false},
	} {
		s := cluster.Snapshot{Views: map[string]cluster.View{"n2": tc.now, "n3": before}}
		if c.begun(s) != tc.begun || c.over(s) != tc.over {
			t.Errorf("%s: begun %v, over %v", tc.what, c.begun(s), c.over(s))
		}
	}
	if got := string(c.body()); got != `{"add":[{"id":"n4"}],"remove":["n1"]}` {
		t.Errorf("it is asked for by %s", got)
	}
}

func TestMembers_AskedForUntilTheyAreThere(t *testing.T) {
	for _, tc := range []struct {
		what    string
		answers []int
		refused bool
	}{
		{"at once", []int{200}, false},
		{"refused for the moment", []int{409, 503, 409, 200}, false},
		{"accepted, then over", []int{202, 409, 200}, false},
		{"lost with its leader, then found to be there", []int{504, 400, 400, 200}, false},
		{"senseless", []int{503, 400}, true},
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method != http.MethodPost || req.URL.Path != "/v1/members" {
				t.Errorf("asked for %s %s", req.Method, req.URL.Path)
			}
			w.WriteHeader(tc.answers[min(asked, len(tc.answers)-1)])
			asked++
		}))
		r := &run{log: slog.New(slog.DiscardHandler)}
		err := r.insistOn(t.Context(), change{add: []string{"n4"}}, func(int) string { return server.URL })
		server.Close()
		if isWrong(err) != tc.refused || (err == nil) == tc.refused || asked != len(tc.answers) {
			t.Errorf("%s: %v after %d of %d answers", tc.what, err, asked, len(tc.answers))
		}
	}
}

func TestSelector_RolesAreOfVoters(t *testing.T) {
	f := fieldOfFive(1)
	f.voters = []string{"n1", "n2", "n3"} // n4 is removed, n5 was not added
	for seed := range uint64(30) {
		f.rand = fieldOfFive(seed).rand
		for text, count := range map[string]int{"follower": 1, "followers": 2, "minority": 1, "majority": 2, "all": 5} {
			got, err := selector(t, text).pick(f)
			if err != nil || len(got) != count || count < 5 && (got[len(got)-1] == "n4" || got[len(got)-1] == "n5") {
				t.Errorf("%q picks %v (%v), want %d voters", text, got, err, count)
			}
		}
	}
}
