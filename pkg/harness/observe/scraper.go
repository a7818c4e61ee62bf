package observe

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// Target is one page to scrape; a restarted node keeps its name and changes its URL.
type Target struct {
	Node string
	URL  string // of the page: "http://host:port/metrics"
}

// ScraperOptions: zero means the default.
type ScraperOptions struct {
	Targets  func() []Target // called before each round; required
	Interval time.Duration   // default 200ms
	Timeout  time.Duration   // of one scrape; default 1s
	Names    []string        // metric families to keep; default FastSet; ["*"] keeps all
	Record   io.Writer       // gets each sample as a line of JSON; nil: none
	Logger   *slog.Logger    // nil discards
}

// Scraper keeps every sample it takes.
type Scraper struct{}

// NewScraper starts scraping.
func NewScraper(options ScraperOptions) (*Scraper, error) { return &Scraper{}, nil }

// ScrapeNow takes a sample out of turn, as before a planned kill.
func (s *Scraper) ScrapeNow(ctx context.Context, node string) (Sample, error) {
	return Sample{}, nil
}

// Samples are all so far, by node, in the order in which they began.
func (s *Scraper) Samples() map[string][]Sample { return nil }

// Latest is the node's last sample without an error.
func (s *Scraper) Latest(node string) (Sample, bool) { return Sample{}, false }

// Await waits for a sample of the node, taken from now on, that satisfies ok.
func (s *Scraper) Await(ctx context.Context, node string, ok func(Sample) bool) (Sample, error) {
	return Sample{}, nil
}

// Stop ends scraping; it may be called again.
func (s *Scraper) Stop() {}

// WriteSamples writes one sample a line.
func WriteSamples(w io.Writer, samples []Sample) error { return nil }

// ReadSamples reads what WriteSamples or ScraperOptions.Record wrote, by node. A torn last line is left out.
func ReadSamples(r io.Reader) (map[string][]Sample, error) { return nil, nil }

// Key is a series' name as Sample.Series holds it: Key("x", "peer", "n2") is `x{peer="n2"}`, labels sorted by name.
func Key(name string, labels ...string) string { return name }
