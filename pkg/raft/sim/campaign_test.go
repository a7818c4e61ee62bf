package sim

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// failing is a campaign over tiny plans, of which those under bad seeds break Liveness: they have three clients, so that
// the one which looks whether it is served is the fourth, and that one is never answered.
func failing(first, seeds uint64, bad ...uint64) Campaign {
	mute := func(_ int, m *patient) {
		m.answer = func(op Operation, own Answer, ended bool) (Answer, bool) {
			return own, ended && op.Client < 3
		}
	}
	return Campaign{
		Options: Options{Service: shared{mute}}, First: first, Seeds: seeds,
		Draw: func(seed uint64) Plan {
			p := Plan{Seed: seed, Nodes: 1, Duration: time.Second, Clients: 2, Network: brief}
			if slices.Contains(bad, seed) {
				p.Clients = 3
			}
			return p
		},
	}
}

// shared makes machines for several runs at a time.
type shared struct{ spoil func(int, *patient) }

func (s shared) NewMachine() Machine { return doctor(s.spoil).NewMachine() }

// TestCampaign_Whole: without Each all seeds are run, and the totals are the sum of the reports.
func TestCampaign_Whole(t *testing.T) {
	c := failing(10, 20, 12, 17, 28)
	var seeds []uint64
	sum := Totals{Counts: map[string]int{}}
	c.Each = func(r Report) bool {
		seeds = append(seeds, r.Plan.Seed)
		sum.add(r)
		return true
	}
	totals := c.Run()
	slices.Sort(seeds)
	if len(seeds) != 20 || seeds[0] != 10 || seeds[19] != 29 || len(slices.Compact(seeds)) != 20 {
		t.Errorf("ran %v", seeds)
	}
	if totals.Seeds != 20 || totals.Events == 0 || totals.Events != sum.Events || totals.Simulated != sum.Simulated || len(totals.Failures) != 3 {
		t.Errorf("%+v, want the sum of its reports", totals)
	}
	for name, count := range sum.Counts {
		if totals.Counts[name] != count {
			t.Errorf("%s: %d, want %d", name, totals.Counts[name], count)
		}
	}
	var bad []uint64
	for _, f := range totals.Failures {
		bad = append(bad, f.Plan.Seed)
		if f.Failure.Check != Liveness {
			t.Errorf("seed %d breaks %s", f.Plan.Seed, f.Failure.Check)
		}
	}
	if slices.Sort(bad); !slices.Equal(bad, []uint64{12, 17, 28}) {
		t.Errorf("seeds %v fail", bad)
	}
	if text := totals.String(); !strings.HasPrefix(text, "20 seeds in ") || !strings.Contains(text, "cluster-hours per minute") || !strings.Contains(text, "checked events per second and core") {
		t.Error(text)
	}
}

// TestCampaign_Ends: whichever failure is found first, all seeds below it are run still, so that the lowest is always found.
func TestCampaign_Ends(t *testing.T) {
	for range 10 {
		c := failing(0, 400, 9, 10, 11, 200)
		var seeds []uint64
		lowest := uint64(400)
		c.Each = func(r Report) bool {
			seeds = append(seeds, r.Plan.Seed)
			if r.Failure != nil {
				lowest = min(lowest, r.Plan.Seed)
			}
			return r.Failure == nil
		}
		totals := c.Run()
		slices.Sort(seeds)
		if lowest != 9 || len(seeds) < 10 || seeds[9] != 9 {
			t.Fatalf("the lowest failing seed is %d of %v, want 9 and all below", lowest, seeds)
		}
		if len(seeds) > 200 || totals.Seeds != len(seeds) {
			t.Fatalf("went on to %d seeds, told of %d", totals.Seeds, len(seeds))
		}
	}
}

// TestCampaign_NoSeeds: none is none.
func TestCampaign_NoSeeds(t *testing.T) {
	totals := Campaign{Options: Options{Service: ledgers{}}}.Run()
	if totals.Seeds != 0 || len(totals.Failures) != 0 {
		t.Errorf("%+v", totals)
	}
}
