package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// proxyName is the proxy among the scraped targets.
const proxyName = "proxy"

// Options of one run. Dir, Bin and Connect are required.
type Options struct {
	Dir      string // the run's folder; must not exist or be empty
	Bin      string // folder of raftnode, raftnode-mutants and chaosproxy
	Seed     uint64
	Connect  func(baseURL string) Network // the proxy's client
	Progress func(Progress)               // called at each phase and five times a second; nil: not
	Logger   *slog.Logger                 // nil discards
}

// Progress is where a run stands.
type Progress struct {
	Phase string // start, a step's name, recover, final, judge
	OK    int    // operations acknowledged so far
	Fault string // names of the faults in force
}

// run is a scenario being carried out. Its own goroutine is the only one that touches what has no lock.
type run struct {
	s   *Scenario
	o   Options
	log *slog.Logger

	cluster *cluster.Cluster
	net     Network
	scraper *observe.Scraper
	load    *load.Load
	files   []*os.File // records being written

	bound    map[string][]string
	mark     mark
	ledger   ledger
	findings []check.Finding // of the runner itself
	late     map[string]bool // those of them, by name, that are about time
	began    int64           // when the load began
	ended    int64           // when it had ended
	logs     map[string]check.Log

	transfers []transferred

	proxyGone bool          // it ended during the run
	still     time.Duration // longest time for which a process got no processor

	mu           sync.Mutex // guards progress, acknowledged
	progress     Progress
	acknowledged func() int // nil until there is a load
}

// Run carries out a scenario and judges it. An error is the harness' own failure, such as a folder
// that cannot be written, or a [*cluster.SettingsError] if the nodes refuse the file's flags; whatever the cluster does is in the result. No process is left when it returns.
func Run(ctx context.Context, s *Scenario, o Options) (Result, error) {
	r := &run{s: s, o: o, bound: map[string][]string{}, logs: map[string]check.Log{}, late: map[string]bool{}}
	started := time.Now()
	if err := r.folder(); err != nil {
		return Result{}, errors.Join(err, r.closeFiles())
	}
	stop := r.report()
	defer stop()
	still := watchStillness()
	err := r.carryOut(ctx)
	r.still = still.stop()
	if r.scraper != nil && !r.s.pauses() {
		r.still = max(r.still, slowestScrape(r.scraper.Samples()))
	}
	interrupted := ctx.Err() != nil
	if releaseErr := r.release(); releaseErr != nil && err == nil {
		err = fmt.Errorf("give back what the run used: %w", releaseErr)
	}
	if err != nil && !interrupted {
		return Result{}, errors.Join(err, r.closeFiles())
	}
	result := r.judge(ctx, interrupted)
	result.Started, result.Seconds = started, time.Since(started).Seconds()
	return result, errors.Join(r.write(result), r.closeFiles())
}

// folder makes the run's folder and puts in what the run is made of.
func (r *run) folder() error {
	if err := os.MkdirAll(r.o.Dir, 0o755); err != nil {
		return err
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(r.o.Dir, "scenario.yaml"), r.s.source, 0o644),
		os.WriteFile(filepath.Join(r.o.Dir, "seed"), []byte(strconv.FormatUint(r.o.Seed, 10)+"\n"), 0o644),
	)
	if err != nil {
		return err
	}
	f, err := r.record("harness.log")
	if err != nil {
		return err
	}
	r.log = slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return nil
}

// record opens a file of the folder that is written while the run goes on.
func (r *run) record(name string) (*os.File, error) {
	f, err := os.Create(filepath.Join(r.o.Dir, name))
	if err != nil {
		return nil, err
	}
	r.files = append(r.files, f)
	return f, nil
}

// carryOut runs all phases but the judging. What goes wrong with the cluster becomes a finding.
func (r *run) carryOut(ctx context.Context) error {
	r.phase("start")
	if err := r.startCluster(ctx); err != nil {
		if refused, ok := errors.AsType[*cluster.SettingsError](err); ok {
			return refused // the file's fault: no promise was broken
		}
		r.find("start", check.Fail, err)
		return nil
	}
	if err := r.startLoad(ctx); err != nil {
		return err
	}
	if err := r.timeline(ctx); err != nil {
		r.find(findTimeline, verdictOf(err), err)
	}
	if ctx.Err() != nil {
		return nil
	}
	r.phase("recover")
	if err := r.recover(ctx); err != nil {
		r.find("recovery", verdictOf(err), err)
	}
	if ctx.Err() != nil {
		return nil
	}
	r.phase("final")
	return r.final(ctx)
}

// verdictOf says what an error of the runner means: a stall that a correct cluster owes an end is its
// failure, and so is what a correct cluster does not do; anything else leaves the run unjudged.
func verdictOf(err error) check.Verdict {
	if s, ok := errors.AsType[*stall](err); ok && s.owed {
		return check.Fail
	}
	if _, ok := errors.AsType[*wrong](err); ok {
		return check.Fail
	}
	return check.Unknown
}

func (r *run) find(name string, v check.Verdict, err error) {
	r.log.Warn("finding", "check", name, "verdict", v, "err", err)
	if isLate(err) {
		r.late[name] = true
	}
	r.findings = append(r.findings, check.Finding{Check: name, Verdict: v, Summary: err.Error(), When: load.Monotonic()})
}

func (r *run) startCluster(ctx context.Context) error {
	var net Network
	c, err := cluster.Start(ctx, cluster.Options{
		Dir: r.o.Dir, Bin: r.o.Bin, Nodes: r.s.Cluster.Nodes, Spares: r.s.Cluster.Spares, Flags: r.s.Cluster.Flags, Mutant: r.s.Cluster.Mutant,
		Seed: r.o.Seed, ClusterID: newClusterID(), Logger: r.log,
		BeforeKill: r.scrapeNodes,
		Connect: func(url string) cluster.Proxy {
			net = r.o.Connect(url)
			return net
		},
	})
	if err != nil {
		return err
	}
	r.cluster, r.net = c, net
	if err := r.net.WatchHeartbeats(ctx); err != nil {
		return fmt.Errorf("ask the proxy to count heartbeats: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, defaultWithin)
	defer cancel()
	return c.Await(ctx, "the first leader", func(s cluster.Snapshot) bool { return r.leader(s) != "" })
}

// startLoad starts scraping and the clients, both recording into the folder.
func (r *run) startLoad(ctx context.Context) error {
	samples, err := r.record("samples.jsonl")
	if err != nil {
		return err
	}
	history, err := r.record("history.jsonl")
	if err != nil {
		return err
	}
	r.scraper, err = observe.NewScraper(observe.ScraperOptions{Targets: r.targets, Timeout: scrapeTime, Record: samples, Logger: r.log})
	if err != nil {
		return err
	}
	r.began = load.Monotonic()
	r.load, err = load.Start(ctx, r.loadOptions(history), r.endpoints)
	if err != nil {
		return err
	}
	r.note()
	return nil
}

func (r *run) loadOptions(history io.Writer) load.Options {
	l := r.s.Load
	mix := map[load.Kind]int{}
	for kind, weight := range l.Mix {
		mix[load.Kind(kind)] = weight
	}
	return load.Options{
		Clients: l.Clients, Keys: l.Keys, Mix: mix, Rate: l.Rate, Seed: r.o.Seed,
		RequestTimeout: time.Duration(l.RequestTimeout), Deadline: time.Duration(l.Deadline),
		Record: history, Logger: r.log,
	}
}

// release ends all that runs, whatever has been started. The order matters: nobody asks a process that is gone.
func (r *run) release() error {
	var errs []error
	if r.load != nil {
		r.load.Stop()
		errs = append(errs, r.load.Err())
		if r.ended == 0 {
			r.ended = load.Monotonic()
		}
	}
	if r.scraper != nil {
		r.scraper.Stop()
	}
	if r.net != nil {
		r.net.Close()
	}
	if r.cluster != nil {
		r.proxyGone = !r.cluster.ProxyAlive()
		errs = append(errs, r.cluster.Close())
	}
	return errors.Join(errs...)
}

func (r *run) closeFiles() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
