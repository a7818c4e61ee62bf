package observe

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// page serves a growing counter.
func page(t *testing.T, start float64, value *atomic.Int64) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %g\n", start)
		fmt.Fprintf(w, "# TYPE raft_commit_index gauge\nraft_commit_index %d\n", value.Add(1))
		fmt.Fprintf(w, "# TYPE other gauge\nother 1\n")
	}))
	t.Cleanup(server.Close)
	return server
}

func TestScraper_FollowsRestartsAndKeepsFailures(t *testing.T) {
	var value atomic.Int64
	first, second := page(t, 1, &value), page(t, 2, &value)
	var url atomic.Value
	url.Store(first.URL)
	var record bytes.Buffer
	s, err := NewScraper(ScraperOptions{
		Targets:  func() []Target { return []Target{{Node: "n1", URL: url.Load().(string) + "/metrics"}} },
		Interval: 2 * time.Millisecond,
		Record:   &record,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	await := func(ok func(Sample) bool) {
		t.Helper()
		if _, err := s.Await(ctx, "n1", ok); err != nil {
			t.Fatal(err)
		}
	}
	await(func(s Sample) bool { return s.Start == 1 && s.Series["raft_commit_index"] >= 3 })
	first.Close()
	if got, err := s.ScrapeNow(ctx, "n1"); err == nil || got.Err == "" {
		t.Errorf("scrape of a dead page: %+v, %v", got, err)
	}
	url.Store(second.URL)
	await(func(s Sample) bool { return s.Start == 2 })
	if _, err := s.ScrapeNow(ctx, "n1"); err != nil {
		t.Error(err)
	}
	if _, err := s.ScrapeNow(ctx, "n9"); err == nil {
		t.Error("scrape of nobody succeeded")
	}
	s.Stop()
	s.Stop()
	samples := s.Samples()["n1"]
	failed := 0
	for i, sample := range samples {
		if i > 0 && sample.Mono < samples[i-1].Mono {
			t.Errorf("sample %d is out of order", i)
		}
		if sample.Err != "" {
			failed++
			continue
		}
		if _, ok := sample.Series["other"]; ok {
			t.Error("a family outside the fast set was kept")
		}
	}
	if failed == 0 {
		t.Error("failures were not kept")
	}
	if latest, ok := s.Latest("n1"); !ok || latest.Start != 2 {
		t.Errorf("latest: %+v", latest)
	}
	stored, err := ReadSamples(&record)
	if err != nil || len(stored["n1"]) != len(samples) {
		t.Errorf("stored %d of %d samples, %v", len(stored["n1"]), len(samples), err)
	}
}

func TestScraper_NeedsTargets(t *testing.T) {
	if _, err := NewScraper(ScraperOptions{}); err == nil {
		t.Error("no error without targets")
	}
}
