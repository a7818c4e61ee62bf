package observe

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func everything(string) bool { return true }

func TestParsePage(t *testing.T) {
	page := `# TYPE raft_heartbeats_sent_total counter
raft_heartbeats_sent_total{peer="n2"} 7
raft_heartbeats_sent_total{peer="n3"} 8
# TYPE raft_term gauge
raft_term 3
# TYPE frames counter
frames{watch="heart\"beat",link="n1->n2"} 4
# TYPE odd gauge
odd NaN
# TYPE h histogram
h_bucket{le="0.5"} 1
h_bucket{le="+Inf"} 2
h_sum 3
h_count 2
`
	got, err := parsePage(strings.NewReader(page), everything)
	want := map[string]float64{
		`raft_heartbeats_sent_total{peer="n2"}`:         7,
		Key("raft_heartbeats_sent_total", "peer", "n3"): 8,
		"raft_term": 3,
		Key("frames", "watch", `heart"beat`, "link", "n1->n2"): 4,
		`h_bucket{le="0.5"}`: 1, `h_bucket{le="+Inf"}`: 2, "h_sum": 3, "h_count": 2,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	got, err = parsePage(strings.NewReader(page), func(name string) bool { return name == "raft_term" })
	if diff := cmp.Diff(map[string]float64{"raft_term": 3}, got); err != nil || diff != "" {
		t.Errorf("filtered: %v %s", err, diff)
	}
}

func TestParsePage_RefusesASeriesTwice(t *testing.T) {
	for _, page := range []string{
		"# TYPE a counter\na{x=\"1\"} 1\na{x=\"1\"} 2\n",
		"# TYPE a counter\na{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\n",
	} {
		_, err := parsePage(strings.NewReader(page), everything)
		if err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%q: %v", page, err)
		}
	}
	if _, err := parsePage(strings.NewReader("no { page"), everything); err == nil {
		t.Error("nonsense was accepted")
	}
}

func TestLabel(t *testing.T) {
	key := Key("f", "link", "n1->n2", "watch", `a"b\c`)
	for label, want := range map[string]string{"link": "n1->n2", "watch": `a"b\c`} {
		if got, ok := Label(key, label); !ok || got != want {
			t.Errorf("label %s of %s is %q", label, key, got)
		}
	}
	if got, ok := Label(key, "peer"); ok {
		t.Errorf("label peer of %s is %q", key, got)
	}
	if got, ok := Label("f", "peer"); ok {
		t.Errorf("label peer of f is %q", got)
	}
}

func TestSamples_RoundTripAndTornLine(t *testing.T) {
	samples := []Sample{
		{Node: "n1", Mono: 1, ScrapeDuration: 2, Start: 1.5, Series: map[string]float64{"a": 1}},
		{Node: "n2", Mono: 2, Err: "refused"},
		{Node: "n1", Mono: 3, Series: map[string]float64{"a": 2}},
	}
	var file bytes.Buffer
	if err := WriteSamples(&file, samples); err != nil {
		t.Fatal(err)
	}
	file.WriteString(`{"node":"n1","mono":`)
	got, err := ReadSamples(&file)
	want := map[string][]Sample{"n1": {samples[0], samples[2]}, "n2": {samples[1]}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := ReadSamples(strings.NewReader("{}\nx\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("nonsense: %v", err)
	}
}
