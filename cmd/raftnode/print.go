package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
)

// hidden are flags that are no settings.
func hidden(flag string) bool { return flag == "print-config" || flag == "version" }

// printConfig writes every setting in force: name, value, where it comes from.
func (c *config) print(w io.Writer, f *pflag.FlagSet) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	f.VisitAll(func(flag *pflag.Flag) {
		if !hidden(flag.Name) {
			fmt.Fprintf(table, "%s\t%s\t%s\n", flag.Name, orDash(flag.Value.String()), c.sources[flag.Name])
		}
	})
	return table.Flush()
}

// summary is every setting in force on one line.
func (c *config) summary(f *pflag.FlagSet) string {
	var parts []string
	f.VisitAll(func(flag *pflag.Flag) {
		if !hidden(flag.Name) {
			parts = append(parts, flag.Name+"="+orDash(flag.Value.String()))
		}
	})
	return strings.Join(parts, " ")
}

func orDash(value string) string {
	if value == "" {
		return "-"
	}
	return value
}

// build names the program's version and the revision of its source.
func build() (version, revision string) {
	version, revision = "unknown", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}

// versionLine is what --version prints, and the first line of a run.
func versionLine() string {
	version, revision := build()
	return fmt.Sprintf("raftnode %s, revision %s", version, revision)
}

// usage explains every flag.
func usage(w io.Writer, f *pflag.FlagSet) {
	fmt.Fprintf(w, `Usage: raftnode --id NAME (--local N | --peers NAME=HOST:PORT,…) [flags]
       raftnode --id NAME --join --cluster-id ID --rpc-listen HOST:PORT [flags]

Runs one member of a cluster. Each flag is also an environment variable: --rpc-listen is RAFTNODE_RPC_LISTEN.
A flag wins over the variable.

%s`, f.FlagUsages())
}
