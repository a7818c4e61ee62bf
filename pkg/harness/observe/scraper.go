package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"whitewater/pkg/harness/jsonlines"
	"whitewater/pkg/harness/load"
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
	Names    []string        // metric families to keep; default FastSet; "*" keeps all
	Record   io.Writer       // gets each sample as a line of JSON; nil: none
	Logger   *slog.Logger    // nil discards
}

// Scraper keeps every sample it takes.
type Scraper struct {
	options ScraperOptions
	client  *http.Client
	keep    map[string]bool // nil: everything
	record  *jsonlines.Writer
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu      sync.Mutex // guards what follows
	samples map[string][]Sample
	busy    map[string]bool // a scrape in turn is under way
	moved   chan struct{}   // closed and replaced with each sample
}

// maxPageBytes bounds what is read of one page.
const maxPageBytes = 64 << 20

// NewScraper starts scraping.
func NewScraper(options ScraperOptions) (*Scraper, error) {
	if options.Targets == nil {
		return nil, errors.New("scraper without targets: set ScraperOptions.Targets")
	}
	options.Interval = cmp.Or(options.Interval, 200*time.Millisecond)
	options.Timeout = cmp.Or(options.Timeout, time.Second)
	if len(options.Names) == 0 {
		options.Names = FastSet()
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Scraper{
		options: options,
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
		record:  jsonlines.NewWriter(options.Record),
		stop:    stop,
		samples: map[string][]Sample{},
		busy:    map[string]bool{},
		moved:   make(chan struct{}),
	}
	if !slices.Contains(options.Names, "*") {
		s.keep = map[string]bool{"process_start_time_seconds": true}
		for _, name := range options.Names {
			s.keep[name] = true
		}
	}
	s.wg.Go(func() { s.run(ctx) })
	return s, nil
}

// run begins a round of scrapes every interval. A target that has not answered yet is left out of the round.
func (s *Scraper) run(ctx context.Context) {
	ticker := time.NewTicker(s.options.Interval)
	defer ticker.Stop()
	for {
		for _, target := range s.options.Targets() {
			if s.begin(target.Node) {
				s.wg.Go(func() {
					defer s.end(target.Node)
					s.scrape(ctx, target)
				})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Scraper) begin(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[node] {
		return false
	}
	s.busy[node] = true
	return true
}

func (s *Scraper) end(node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy[node] = false
}

// ScrapeNow takes a sample out of turn, as before a planned kill. The sample is kept even if it is an error.
func (s *Scraper) ScrapeNow(ctx context.Context, node string) (Sample, error) {
	targets := s.options.Targets()
	i := slices.IndexFunc(targets, func(t Target) bool { return t.Node == node })
	if i < 0 {
		return Sample{}, fmt.Errorf("scrape %s: no such target", node)
	}
	sample := s.scrape(ctx, targets[i])
	if sample.Err != "" {
		return sample, fmt.Errorf("scrape %s: %s", node, sample.Err)
	}
	return sample, nil
}

// scrape takes one sample and keeps it.
func (s *Scraper) scrape(ctx context.Context, target Target) Sample {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	sample := Sample{Node: target.Node, Mono: load.Monotonic()}
	series, err := s.fetch(ctx, target.URL)
	sample.ScrapeDuration = time.Duration(load.Monotonic() - sample.Mono)
	if err != nil {
		sample.Err = err.Error()
	} else {
		sample.Series, sample.Start = series, series["process_start_time_seconds"]
	}
	if err := s.record.Write(sample); err != nil {
		s.options.Logger.Error("sample not recorded", "node", target.Node, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples[target.Node] = append(s.samples[target.Node], sample)
	close(s.moved)
	s.moved = make(chan struct{})
	return sample
}

func (s *Scraper) fetch(ctx context.Context, page string) (map[string]float64, error) {
	if s.keep != nil {
		page += "?" + url.Values{"name[]": append(slices.Clone(s.options.Names), "process_start_time_seconds")}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	series, err := s.read(resp)
	return series, errors.Join(err, resp.Body.Close())
}

func (s *Scraper) read(resp *http.Response) (map[string]float64, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return parsePage(io.LimitReader(resp.Body, maxPageBytes), func(family string) bool { return s.keep == nil || s.keep[family] })
}

// Samples are all so far, by node, in the order in which they began.
func (s *Scraper) Samples() map[string][]Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string][]Sample, len(s.samples))
	for node, samples := range s.samples {
		samples = slices.Clone(samples)
		slices.SortStableFunc(samples, func(a, b Sample) int { return cmp.Compare(a.Mono, b.Mono) })
		all[node] = samples
	}
	return all
}

// Latest is the node's last sample without an error.
func (s *Scraper) Latest(node string) (Sample, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sample := range slices.Backward(s.samples[node]) {
		if sample.Err == "" {
			return sample, true
		}
	}
	return Sample{}, false
}

// Await waits for a sample of the node, begun from now on, that satisfies ok; ok is shown no failed scrape.
func (s *Scraper) Await(ctx context.Context, node string, ok func(Sample) bool) (Sample, error) {
	from := load.Monotonic()
	seen := 0
	for {
		s.mu.Lock()
		fresh, moved := s.samples[node][seen:], s.moved
		s.mu.Unlock()
		seen += len(fresh)
		for _, sample := range fresh {
			if sample.Mono >= from && sample.Err == "" && ok(sample) {
				return sample, nil
			}
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return Sample{}, fmt.Errorf("await a sample of %s: %w", node, ctx.Err())
		}
	}
}

// Stop ends scraping; it may be called again.
func (s *Scraper) Stop() {
	s.stop()
	s.wg.Wait()
	s.client.CloseIdleConnections()
}
