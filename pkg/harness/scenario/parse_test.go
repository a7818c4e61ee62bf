package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whitewater/scenarios"
)

// Each file of testdata/bad is a scenario with every fault that its `# want LINE:COLUMN: TEXT` comments
// tell, and no other; all must be found at once.
func TestParse_FindsAllFaultsAtOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (%v)", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(text)) {
				if _, w, ok := strings.Cut(line, "# want "); ok {
					want = append(want, strings.TrimSpace(w))
				}
			}
			s, err := Parse("f", text)
			if err == nil {
				t.Fatalf("parsed: %+v", s)
			}
			got := strings.Split(err.Error(), "\n")
			for i, g := range got {
				g = strings.TrimPrefix(g, "f:")
				if i >= len(want) || !strings.HasPrefix(g, want[i]) {
					t.Errorf("fault %d: %s", i+1, g)
				}
			}
			if len(got) < len(want) {
				t.Errorf("not found: %q", want[len(got):])
			}
		})
	}
}

func TestParse_Syntax(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "f:1:1: no documents",
		"a: [1,\nb: {":          "f:3:1: ",
		"name: x\n---\nname: y": "f:1:1: expected single document",
		"[1, 2]":                "f:1:1: want a mapping",
	} {
		if _, err := Parse("f", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q gave %v, want %s…", text, err, want)
		}
	}
}

func TestParse_TooLarge(t *testing.T) {
	if _, err := Parse("f", make([]byte, maxFileBytes+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("an oversized file gave %v", err)
	}
}

func TestCatalogue_IsSound(t *testing.T) {
	all, err := Catalogue(scenarios.Files)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
		if len(s.Expect.OK) == 0 {
			t.Errorf("%s states no least load", s.Name)
		}
		for i := range s.Timeline {
			if st := &s.Timeline[i]; isFault(st.action()) && len(st.Effect) == 0 {
				t.Errorf("%s: step %s is a fault and states no least effect", s.Name, st.Name)
			}
		}
	}
	for _, want := range []string{
		"steady", "leader-kill", "leader-rejoin", "partition-minority", "partition-leader", "one-way-partition", "lossy-network", "restart-all",
		"snapshot-catch-up", "transfer-under-load", "grow-3-to-5", "replace-member", "remove-leader",
		"heartbeat-50ms", "ack-before-fsync", "vote-twice", "commit-old-term", "read-unconfirmed", "no-step-down",
		"never-compacted", "slow-transfer", "transfer-in-vain", "stranger-counts", "no-joint", "not-quiet",
	} {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+want+" ") {
			t.Errorf("no scenario is called %s", want)
		}
	}
}

func FuzzParse(f *testing.F) {
	all, err := Catalogue(scenarios.Files)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range all {
		f.Add(s.Source())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("f", text)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without a word")
			}
			return
		}
		for i := range s.Timeline {
			if n := len(s.Timeline[i].actions()); n != 1 {
				t.Errorf("step %d of a sound file has %d actions", i+1, n)
			}
		}
	})
}
