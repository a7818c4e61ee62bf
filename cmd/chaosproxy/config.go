package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"whitewater/pkg/chaos"
)

// config is what flags, environment and config file say together.
type config struct {
	listen       string
	file         string
	links        []chaos.Proxy
	seed         uint64
	proxyMetrics bool
	logLevel     slog.Level
	logFormat    string
	limits       chaos.Limits
}

// errAnswered ends the program after --help or --version.
var errAnswered = errors.New("answered")

const envPrefix = "CHAOSPROXY_"

// parse reads flags, then CHAOSPROXY_* for flags not given, then the config file.
func parse(args []string, env func(string) (string, bool), stdout io.Writer) (config, error) {
	var c config
	var level string
	flags := pflag.NewFlagSet("chaosproxy", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8474", "address of the control API and /metrics; port 0 takes a free one")
	flags.StringVar(&c.file, "config", "", "file with links to create at the start: the JSON array that POST /populate takes")
	flags.Uint64Var(&c.seed, "seed", 0, "seed of everything that falls to chance; 0 draws one and logs it")
	flags.BoolVar(&c.proxyMetrics, "proxy-metrics", false, "expose toxiproxy_* metrics in addition to chaosproxy_*")
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(&c.logFormat, "log-format", "text", "text or json")
	flags.IntVar(&c.limits.MaxFrameBytes, "max-frame-bytes", 16<<20, "longest frame on a msgpack-rpc link")
	flags.IntVar(&c.limits.MaxConnections, "max-connections", 4096, "open connections per link; more are reset")
	flags.IntVar(&c.limits.MaxBufferedBytes, "max-buffered-bytes", 1<<20, "bytes that wait in faults, per connection and direction; at the bound the proxy stops reading")
	version := flags.Bool("version", false, "print the version and exit")
	help := flags.BoolP("help", "h", false, "print this and exit")

	if err := flags.Parse(args); err != nil {
		return c, fmt.Errorf("%w (see chaosproxy --help)", err)
	}
	switch {
	case *help:
		_, err := fmt.Fprintf(stdout, "Usage: chaosproxy [flags]\n\n%s\nEach flag can be given as an environment variable, --log-level as %sLOG_LEVEL.\n", flags.FlagUsages(), envPrefix)
		return c, errors.Join(errAnswered, err)
	case *version:
		_, err := fmt.Fprintf(stdout, "chaosproxy %s\n", buildVersion())
		return c, errors.Join(errAnswered, err)
	case flags.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q: everything is given by flags (see chaosproxy --help)", flags.Arg(0))
	}
	if err := fromEnvironment(flags, env); err != nil {
		return c, err
	}
	if err := c.logLevel.UnmarshalText([]byte(level)); err != nil {
		return c, fmt.Errorf("--log-level %q: must be debug, info, warn or error", level)
	}
	return c, c.finish()
}

// fromEnvironment sets the flags that were not given.
func fromEnvironment(flags *pflag.FlagSet, env func(string) (string, bool)) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := env(name)
		if !ok || f.Changed || f.Name == "help" || f.Name == "version" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	})
	return errors.Join(errs...)
}

// finish checks the values and reads the config file.
func (c *config) finish() error {
	var errs []error
	for _, l := range []struct {
		flag  string
		value int
	}{
		{"max-frame-bytes", c.limits.MaxFrameBytes},
		{"max-connections", c.limits.MaxConnections},
		{"max-buffered-bytes", c.limits.MaxBufferedBytes},
	} {
		if l.value <= 0 {
			errs = append(errs, fmt.Errorf("--%s %d: must be at least 1", l.flag, l.value))
		}
	}
	if c.logFormat != "text" && c.logFormat != "json" {
		errs = append(errs, fmt.Errorf("--log-format %q: must be text or json", c.logFormat))
	}
	if c.seed == 0 {
		c.seed = rand.Uint64()
	}
	if c.file != "" {
		text, err := os.ReadFile(c.file)
		if err == nil {
			c.links, err = chaos.ReadConfig(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--config %s: %w", c.file, err))
		}
	}
	return errors.Join(errs...)
}

// logger writes to w in the level and format asked for.
func (c *config) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.logLevel}
	if c.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (c *config) options(log *slog.Logger, version string) chaos.Options {
	log.Info("starting", "seed", c.seed)
	return chaos.Options{Seed: c.seed, Logger: log, Limits: c.limits, Version: version, ProxyMetrics: c.proxyMetrics}
}
