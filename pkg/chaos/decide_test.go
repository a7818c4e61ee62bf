package chaos

import (
	"fmt"
	"math"
	"testing"
)

// Golden values pin the function: whoever changes it changes its name.
func TestDraw_Golden(t *testing.T) {
	if DecisionHash != "whitewater-fnv1a64-splitmix64-v1" {
		t.Fatalf("the golden values below are not those of %s", DecisionHash)
	}
	for _, row := range []struct {
		seed uint64
		key  decisionKey
		want string
	}{
		{0, decisionKey{}, "0.492574527088072"},
		{1, decisionKey{"fate", "drop_request", "n1->n2", upstream, "Raft.AppendEntries", 1}, "0.339345559314248"},
		{1, decisionKey{"fate", "drop_request", "n1->n2", upstream, "Raft.AppendEntries", 2}, "0.238647176293359"},
		{1, decisionKey{"jitter", "drop_request", "n1->n2", upstream, "Raft.AppendEntries", 1}, "0.972740993179653"},
		{1, decisionKey{"fate", "drop_request", "n1->n2", downstream, "Raft.AppendEntries", 1}, "0.109390157954799"},
		{math.MaxUint64, decisionKey{"fate", "f", "l", downstream, "", math.MaxUint64}, "0.224110578894071"},
	} {
		if got := fmt.Sprintf("%.15f", draw(row.seed, row.key)); got != row.want {
			t.Errorf("seed %d, %s: %s, want %s", row.seed, row.key, got, row.want)
		}
	}
}

// The draws are uniform enough for probabilities to mean something, and neighbours are independent.
func TestDraw_Uniform(t *testing.T) {
	const n, bins = 20000, 20
	var count [bins]int
	both := 0
	for i := range uint64(n) {
		key := decisionKey{purpose: "fate", fault: "f", link: "n1->n2", method: "M", n: i}
		u := draw(42, key)
		count[int(u*bins)]++
		key.dir = downstream
		if u < 0.1 && draw(42, key) < 0.1 {
			both++
		}
	}
	chi2 := 0.0
	for _, c := range count {
		d := float64(c) - n/bins
		chi2 += d * d / (n / bins)
	}
	if chi2 > 43.8 { // 19 degrees of freedom, p = 0.001
		t.Errorf("chi squared %.1f: %v", chi2, count)
	}
	if both < 140 || both > 265 { // 200 expected, 4.5 standard deviations
		t.Errorf("%d of %d pairs are both below 0.1, want about 200", both, n)
	}
}
