package load

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func draw(g *generator, n int) []step {
	var steps []step
	for range n {
		steps = append(steps, g.next(false))
	}
	return steps
}

func TestGenerator_DependsOnSeedAndNumberAlone(t *testing.T) {
	o := Options{Seed: 7}.withDefaults()
	alone := draw(newGenerator(o, 3), 100)
	other, third := newGenerator(o, 2), newGenerator(o, 3)
	var beside []step
	for range 100 {
		other.next(false)
		beside = append(beside, third.next(false))
	}
	same := cmp.Comparer(func(a, b step) bool { return a == b })
	if diff := cmp.Diff(alone, beside, same); diff != "" {
		t.Errorf("another client's steps changed these: %s", diff)
	}
	if cmp.Equal(alone, draw(newGenerator(o, 4), 100), same) {
		t.Error("two clients draw the same steps")
	}
	o.Seed = 8
	if cmp.Equal(alone, draw(newGenerator(o, 3), 100), same) {
		t.Error("two seeds draw the same steps")
	}
}

func TestGenerator_KeepsSortsApartAndRetiresKeys(t *testing.T) {
	o := Options{Clients: 2, Keys: 3, OpsPerKey: 10}.withDefaults()
	count := map[string]int{}
	kinds := map[Kind]int{}
	for _, s := range draw(newGenerator(o, 1), 1000) {
		count[s.key]++
		kinds[s.kind]++
		if onlyAppended := strings.HasPrefix(s.key, "a"); s.kind != Get && onlyAppended != (s.kind == Append) {
			t.Errorf("%s of %s", s.kind, s.key)
		}
	}
	for key, n := range count {
		if n > 30 {
			t.Errorf("key %s was stepped on %d times", key, n)
		}
	}
	for _, kind := range Kinds() {
		if got, want := kinds[kind], 10*defaultMix()[kind]; got < want/2 || got > want*2 {
			t.Errorf("%d of 1000 steps are %s, want about %d", got, kind, want)
		}
	}
}

func TestOptions_ValidateNamesEveryFault(t *testing.T) {
	err := Options{Clients: -1, Keys: -1, Rate: -1, Mix: map[Kind]int{"scan": 1, Get: -1}, Deadline: 1}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"clients", "keys", "rate", `"scan"`, "mix get", "deadline"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in: %v", want, err)
		}
	}
	if err := (Options{}).Validate(); err != nil {
		t.Errorf("the zero options: %v", err)
	}
}
