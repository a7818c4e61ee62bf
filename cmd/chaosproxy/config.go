package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
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

// parse reads flags, then CHAOSPROXY_* for flags not given, then the config file. It reports every fault at once.
func parse(args, environ []string, stdout io.Writer) (config, error) {
	var c config
	var faults []error
	flags := c.flagSet(&faults)
	version := flags.Bool("version", false, "print the version and exit")
	help := flags.BoolP("help", "h", false, "print this and exit")

	if err := flags.Parse(args); err != nil {
		faults = append(faults, fmt.Errorf("%w (see chaosproxy --help)", err))
	}
	switch {
	case *help:
		_, err := fmt.Fprintf(stdout, "Usage: chaosproxy [flags]\n\n%s\nEach flag can be given as an environment variable, --log-level as %sLOG_LEVEL.\n", flags.FlagUsages(), envPrefix)
		return c, errors.Join(errAnswered, err)
	case *version:
		_, err := fmt.Fprintf(stdout, "chaosproxy %s\n", buildVersion())
		return c, errors.Join(errAnswered, err)
	case flags.NArg() > 0:
		faults = append(faults, fmt.Errorf("unexpected argument %q: everything is given by flags (see chaosproxy --help)", flags.Arg(0)))
	}
	unknown := fromEnvironment(flags, environ)
	return c, errors.Join(errors.Join(faults...), unknown, c.finish())
}

// flagSet binds the flags to c. What a value breaks goes to faults.
func (c *config) flagSet(faults *[]error) *pflag.FlagSet {
	flags := pflag.NewFlagSet("chaosproxy", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.SortFlags = false
	check := func(name, rule string, obeyed func() bool) {
		f := flags.Lookup(name)
		f.Value = &checked{Value: f.Value, source: "--" + name, rule: rule, fallback: f.DefValue, obeyed: obeyed, faults: faults}
	}
	positive := func(to *int, name string, value int, usage string) {
		flags.IntVar(to, name, value, usage)
		check(name, "a whole number of at least 1", func() bool { return *to >= 1 })
	}
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8474", "address of the control API and /metrics; port 0 takes a free one, no host is loopback")
	check("listen", "host:port; 0.0.0.0 is every interface", c.listenOn)
	flags.StringVar(&c.file, "config", "", "file with links to create at the start: the JSON array that POST /populate takes")
	flags.Uint64Var(&c.seed, "seed", 0, "seed of everything that falls to chance; 0 draws one and logs it")
	check("seed", "a whole number from 0 to 18446744073709551615", nil)
	flags.BoolVar(&c.proxyMetrics, "proxy-metrics", false, "expose toxiproxy_* metrics in addition to chaosproxy_*")
	check("proxy-metrics", "true or false", nil)
	level := flags.String("log-level", "info", "debug, info, warn or error")
	check("log-level", "debug, info, warn or error", func() bool { return c.logLevel.UnmarshalText([]byte(*level)) == nil })
	flags.StringVar(&c.logFormat, "log-format", "text", "text or json")
	check("log-format", "text or json", func() bool { return c.logFormat == "text" || c.logFormat == "json" })
	positive(&c.limits.MaxFrameBytes, "max-frame-bytes", 16<<20, "longest frame on a msgpack-rpc link")
	positive(&c.limits.MaxConnections, "max-connections", 4096, "open connections per link; more are reset")
	positive(&c.limits.MaxBufferedBytes, "max-buffered-bytes", 1<<20, "bytes that wait in faults, per connection and direction; at the bound the proxy stops reading")
	return flags
}

// listenOn reports whether the listen address is one, and makes one without a host loopback: net.Listen would take
// every interface.
func (c *config) listenOn() bool {
	host, port, err := net.SplitHostPort(c.listen)
	if err != nil {
		return false
	}
	if host == "" {
		c.listen = net.JoinHostPort("127.0.0.1", port)
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// fromEnvironment sets the flags that were not given and reports the variables that are no flag's.
func fromEnvironment(flags *pflag.FlagSet, environ []string) error {
	given := make(map[string]string)
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, envPrefix) {
			given[name] = value
		}
	}
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := given[name]
		if !ok || f.Name == "help" || f.Name == "version" {
			return
		}
		delete(given, name)
		if f.Changed {
			return
		}
		if v, ok := f.Value.(*checked); ok {
			v.source = name
		}
		if err := f.Value.Set(value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	})
	for _, name := range slices.Sorted(maps.Keys(given)) {
		errs = append(errs, fmt.Errorf("%s is no setting: unset it; --help lists the flags, and CHAOSPROXY_LISTEN stands for --listen", name))
	}
	return errors.Join(errs...)
}

// finish draws the seed and reads the config file.
func (c *config) finish() error {
	if c.seed == 0 {
		c.seed = rand.Uint64()
	}
	if c.file == "" {
		return nil
	}
	text, err := os.ReadFile(c.file)
	if err == nil {
		c.links, err = chaos.ReadConfig(text)
	}
	if err != nil {
		return fmt.Errorf("--config %s: %w", c.file, err)
	}
	return nil
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
