package observe

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Sample is one scrape of one process's /metrics page.
type Sample struct {
	Node           string             `json:"node"`
	Mono           int64              `json:"mono"`             // when the scrape began, CLOCK_MONOTONIC nanoseconds
	ScrapeDuration time.Duration      `json:"duration"`         // the page was made between Mono and Mono + this
	Series         map[string]float64 `json:"series,omitempty"` // by Key
	Start          float64            `json:"start,omitempty"`  // process_start_time_seconds, tells incarnations apart
	Err            string             `json:"err,omitempty"`    // why there is no page
}

// End is when the scrape had ended.
func (s Sample) End() int64 { return s.Mono + int64(s.ScrapeDuration) }

// Key is a series' name as Sample.Series holds it, labels sorted by name:
// Key("x", "peer", "n2") is `x{peer="n2"}`.
func Key(name string, labels ...string) string {
	if len(labels) == 0 {
		return name
	}
	pairs := make([]string, 0, len(labels)/2)
	for pair := range slices.Chunk(labels, 2) {
		pairs = append(pairs, fmt.Sprintf("%s=%q", pair[0], pair[1]))
	}
	slices.Sort(pairs)
	return name + "{" + strings.Join(pairs, ",") + "}"
}

// Label is the value of a label in a series' Key; false if the series has no such label.
func Label(key, label string) (string, bool) {
	_, rest, _ := strings.Cut(key, "{")
	for rest != "" {
		name, after, ok := strings.Cut(rest, `="`)
		if !ok {
			return "", false
		}
		end := 0
		for end < len(after) && after[end] != '"' {
			if after[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(after) {
			return "", false
		}
		if name == label {
			return unescape(after[:end]), true
		}
		rest = strings.TrimPrefix(after[end+1:], ",")
	}
	return "", false
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(s)
}

// parsePage reads a page in the text format. It keeps the families that keep names and refuses a page that
// shows a series twice. A histogram is kept as its _bucket, _sum and _count series; a value that
// is no finite number says nothing and is left out.
func parsePage(page io.Reader, keep func(family string) bool) (map[string]float64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(page)
	if err != nil {
		return nil, fmt.Errorf("parse metrics: %w", err)
	}
	p := pageReader{series: map[string]float64{}}
	for name, family := range families {
		if !keep(name) {
			continue
		}
		for _, m := range family.GetMetric() {
			p.add(name, m)
		}
	}
	return p.series, p.err
}

// pageReader is a page while it is read.
type pageReader struct {
	series map[string]float64
	err    error
}

func (p *pageReader) add(name string, m *dto.Metric) {
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, l.GetName(), l.GetValue())
	}
	switch {
	case m.Counter != nil:
		p.set(name, m.GetCounter().GetValue(), labels)
	case m.Gauge != nil:
		p.set(name, m.GetGauge().GetValue(), labels)
	case m.Untyped != nil:
		p.set(name, m.GetUntyped().GetValue(), labels)
	case m.Histogram != nil:
		h := m.GetHistogram()
		p.set(name+"_sum", h.GetSampleSum(), labels)
		p.set(name+"_count", float64(h.GetSampleCount()), labels)
		for _, b := range h.GetBucket() {
			p.set(name+"_bucket", float64(b.GetCumulativeCount()), append(slices.Clip(labels), "le", fmt.Sprint(b.GetUpperBound())))
		}
	case m.Summary != nil:
		p.set(name+"_sum", m.GetSummary().GetSampleSum(), labels)
		p.set(name+"_count", float64(m.GetSummary().GetSampleCount()), labels)
		for _, q := range m.GetSummary().GetQuantile() {
			p.set(name, q.GetValue(), append(slices.Clip(labels), "quantile", fmt.Sprint(q.GetQuantile())))
		}
	}
}

func (p *pageReader) set(name string, value float64, labels []string) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	key := Key(name, labels...)
	if _, twice := p.series[key]; twice && p.err == nil {
		p.err = fmt.Errorf("series %s stands twice on the page", key)
	}
	p.series[key] = value
}
