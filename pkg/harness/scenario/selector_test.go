package scenario

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func selector(t *testing.T, text string) Selector {
	t.Helper()
	var s Selector
	if err := yaml.Load([]byte(text), &s); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func fieldOfFive(seed uint64) field {
	nodes := []string{"n1", "n2", "n3", "n4", "n5"}
	return field{
		nodes: nodes, voters: nodes, eligible: nodes, leader: "n2", bound: map[string][]string{"L1": {"n2"}, "Pair": {"n4", "n5"}},
		rand: rand.New(rand.NewPCG(seed, 1)),
	}
}

func TestSelector_Fixed(t *testing.T) {
	for text, want := range map[string]string{
		"n3":                    "n3",
		"leader":                "n2",
		"L1":                    "n2",
		"all":                   "n1 n2 n3 n4 n5",
		"not L1":                "n1 n3 n4 n5",
		"any not leader not n1": "n3 n4 n5",
		"followers":             "n1 n3 n4 n5",
		"[L1, Pair, n4]":        "n2 n4 n5",
		"followers not Pair":    "n1 n3",
		"rest":                  "n1 n2 n3 n4 n5",
	} {
		got, err := selector(t, text).pick(fieldOfFive(1))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q picks %v (%v), want %s", text, got, err, want)
		}
	}
}

func TestSelector_DrawsByRoleAndCount(t *testing.T) {
	for text, count := range map[string]int{"follower": 1, "2 followers": 2, "minority": 2, "majority": 3, "minority not leader": 2, "3 all": 3} {
		seen := map[string]bool{}
		for seed := range uint64(50) {
			got, err := selector(t, text).pick(fieldOfFive(seed))
			if err != nil || len(got) != count {
				t.Fatalf("%q picks %v (%v), want %d nodes", text, got, err, count)
			}
			if leaderless := strings.Contains(text, "follower") || strings.Contains(text, "not"); leaderless && slices.Contains(got, "n2") {
				t.Errorf("%q picks the leader", text)
			}
			seen[strings.Join(got, " ")] = true
		}
		if len(seen) < 3 {
			t.Errorf("%q picks the same nodes for 50 seeds: %v", text, seen)
		}
	}
}

func TestSelector_SameSeedSameNodes(t *testing.T) {
	for seed := range uint64(20) {
		s := selector(t, "[2 followers, minority]")
		a, errA := s.pick(fieldOfFive(seed))
		b, errB := s.pick(fieldOfFive(seed))
		if errA != nil || errB != nil || !slices.Equal(a, b) {
			t.Errorf("seed %d picks %v and %v", seed, a, b)
		}
	}
}

func TestSelector_Impossible(t *testing.T) {
	f := fieldOfFive(1)
	f.leader = ""
	if _, err := selector(t, "leader").pick(f); !errors.Is(err, errNoLeader) {
		t.Errorf("leader without one gave %v", err)
	}
	f.eligible = []string{"n1"}
	for _, text := range []string{"majority", "3 followers", "all not n1"} {
		if got, err := selector(t, text).pick(f); err == nil {
			t.Errorf("%q of one eligible node picks %v", text, got)
		}
	}
}

func TestSelector_NeedsLeader(t *testing.T) {
	for text, want := range map[string]bool{"leader": true, "follower": true, "minority not leader": true, "minority": false, "n1": false, "all not L1": false} {
		if got := selector(t, text); got.needsLeader() != want {
			t.Errorf("%q needs a leader: %v", text, got.needsLeader())
		}
	}
}
