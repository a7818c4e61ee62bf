package observe

import "time"

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
