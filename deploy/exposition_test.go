package deploy_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
	other     kind = "summary or untyped"
)

// metric is one name that a process exports: its kind, and its labels with all
// values seen.
type metric struct {
	kind   kind
	labels map[string][]string
}

// exposition is what one scrape holds, by the name one asks for: a histogram
// stands there with its parts.
type exposition map[string]metric

// scrapeIdleNode starts one node of three, whose peers never come, and returns
// what it exports: each series exists from the first scrape on.
func scrapeIdleNode(t *testing.T) exposition {
	t.Helper()
	c := newCluster(t)
	c.start("n1")
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + c.http["n1"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET /metrics: %s", response.Status)
	}
	exported, err := readExposition(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return exported
}

func readExposition(r io.Reader) (exposition, error) {
	text := expfmt.NewTextParser(model.UTF8Validation)
	families, err := text.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("read the exposition: %w", err)
	}
	exported := exposition{}
	for name, family := range families {
		found := labelsOf(family)
		switch family.GetType() {
		case dto.MetricType_COUNTER:
			exported[name] = metric{counter, found}
		case dto.MetricType_GAUGE:
			exported[name] = metric{gauge, found}
		case dto.MetricType_HISTOGRAM:
			exported[name] = metric{histogram, found}
			exported[name+"_sum"] = metric{counter, found}
			exported[name+"_count"] = metric{counter, found}
			bucket := map[string][]string{"le": nil}
			for label, values := range found {
				bucket[label] = values
			}
			exported[name+"_bucket"] = metric{counter, bucket}
		default:
			exported[name] = metric{other, found}
		}
	}
	return exported, nil
}

func labelsOf(family *dto.MetricFamily) map[string][]string {
	found := map[string][]string{}
	for _, series := range family.GetMetric() {
		for _, pair := range series.GetLabel() {
			if !slices.Contains(found[pair.GetName()], pair.GetValue()) {
				found[pair.GetName()] = append(found[pair.GetName()], pair.GetValue())
			}
		}
	}
	return found
}
