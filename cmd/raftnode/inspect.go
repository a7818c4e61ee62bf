package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/pflag"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
)

// isOffline reports whether args name a command that reads a data directory, rather than run a node.
func isOffline(args []string) bool {
	return len(args) > 0 && (args[0] == "inspect" || args[0] == "verify")
}

// runOffline runs the command named by args[0] and returns the exit code: 0 sound, 1 damaged or
// unreadable, 3 usage, which a directory that holds no node is too.
func runOffline(args []string, stdout, stderr io.Writer) int {
	name, command := args[0], verify
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	records := false
	if name == "inspect" {
		command = inspect
		flags.BoolVar(&records, "records", false, "print every record of the log")
	}
	err := flags.Parse(args[1:])
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintf(stdout, "usage: raftnode %s DATA-DIR\n%s", name, flags.FlagUsages())
		return exitOK
	}
	if err == nil && flags.NArg() != 1 {
		err = fmt.Errorf("%d arguments, want one: the data directory", flags.NArg())
	}
	if err != nil {
		fmt.Fprintf(stderr, "raftnode: %s: %v; try raftnode %s --help\n", name, err, name)
		return exitSettings
	}
	sound, err := command(flags.Arg(0), records, stdout)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(stderr, "raftnode: %v\n", err)
		return exitSettings
	case err != nil:
		return fail(stderr, err)
	case !sound:
		return exitFailed
	}
	return exitOK
}

// verify reads every byte of a data directory that no node runs on.
func verify(dir string, _ bool, stdout io.Writer) (bool, error) {
	report, err := storage.Inspect(dir, nil)
	if err != nil {
		return false, err
	}
	if report.Running {
		return false, fmt.Errorf("verify %s: %w: stop the node first", dir, storage.ErrLocked)
	}
	printVerdict(stdout, report)
	return report.Sound(), nil
}

// inspect prints what a data directory holds.
func inspect(dir string, records bool, stdout io.Writer) (bool, error) {
	var visit func(storage.RecordReport)
	if records {
		visit = func(r storage.RecordReport) { fmt.Fprintf(stdout, "%s %8d  %s\n", r.File, r.Offset, r.Text) }
	}
	report, err := storage.Inspect(dir, visit)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(stdout, "node %q of cluster %q, directory %s, %s\n", report.Node, report.Cluster, report.DirectoryID, beginning(report))
	if report.Running {
		fmt.Fprintln(stdout, "a process has it open: what is being written may look unfinished or damaged")
	}
	for _, s := range report.Segments {
		printSegment(stdout, s)
	}
	if report.MarkSegment > 0 {
		fmt.Fprintf(stdout, "mark: synced before offset %d of segment %d\n", report.MarkOffset, report.MarkSegment)
	}
	for _, s := range report.Snapshots {
		printSnapshot(stdout, s)
	}
	for _, name := range report.Ignored {
		fmt.Fprintf(stdout, "%s: ignored\n", name)
	}
	for _, t := range report.Terms {
		fmt.Fprintf(stdout, "term %d: entries %d to %d\n", t.Term, t.First, t.Last)
	}
	for _, c := range report.Configurations {
		fmt.Fprintf(stdout, "configuration at %v: %v\n", c.At, c)
	}
	printMembers(stdout, report)
	printVerdict(stdout, report)
	return report.Sound(), nil
}

// beginning says what the cluster began with.
func beginning(r *storage.Report) string {
	if len(r.Bootstrap) == 0 {
		return "joined its cluster"
	}
	return "began with " + protocol.Bootstrap(r.Bootstrap).String()
}

// printMembers tells what is known of each member of the configuration in force: the newest of the log, else the
// snapshot's. The one that the cluster began with has names alone.
func printMembers(w io.Writer, r *storage.Report) {
	var newest *storage.ConfigurationReport
	for _, s := range r.Snapshots {
		if s.Use == "newest" {
			newest = s.Configuration
		}
	}
	if n := len(r.Configurations); n > 0 && (newest == nil || newest.At.Index < r.Configurations[n-1].At.Index) {
		newest = &r.Configurations[n-1]
	}
	if newest == nil {
		return
	}
	for _, m := range newest.Configuration.Members {
		fmt.Fprintf(w, "member %s: %s, address %s, directory %s\n", m.ID, m.Suffrage, orDash(m.Address), orDash(m.Directory))
	}
}

func printSnapshot(w io.Writer, s storage.SnapshotReport) {
	fmt.Fprintf(w, "%s: %d bytes, %s", s.File, s.Bytes, s.Use)
	if !s.Meta.IsZero() {
		fmt.Fprintf(w, ", at %v, %d bytes of data, checksum %08x", s.Meta.Position, s.Meta.Size, s.Meta.Checksum)
	}
	if s.Configuration != nil {
		fmt.Fprintf(w, ", configuration: %v", s.Configuration)
	}
	fmt.Fprintln(w)
}

func printSegment(w io.Writer, s storage.SegmentReport) {
	if s.Unused {
		fmt.Fprintf(w, "%s: %d bytes, removed before; a start removes it again\n", s.File, s.Bytes)
		return
	}
	fmt.Fprintf(w, "%s: %d bytes, begun at index %d, %d batches: %d entries", s.File, s.Bytes, s.First, s.Batches, s.Entries)
	if s.Entries > 0 {
		fmt.Fprintf(w, " (%v to %v)", s.Low, s.High)
	}
	fmt.Fprintf(w, ", %d hard states, %d base records", s.HardStates, s.Bases)
	if s.Bad >= 0 {
		fmt.Fprintf(w, "; what begins at offset %d does not verify", s.Bad)
	}
	fmt.Fprintln(w)
}

// printVerdict says what a node would start from, and what is wrong.
func printVerdict(w io.Writer, r *storage.Report) {
	if state := r.State; r.DirectoryID != "" {
		fmt.Fprintf(w, "state: term %d, vote %q, ", state.Term, state.VotedFor)
		if !state.Snapshot.IsZero() {
			fmt.Fprintf(w, "snapshot at %v, ", state.Snapshot.Position)
		}
		if n := len(state.Entries); n > 0 {
			fmt.Fprintf(w, "entries %d to %d\n", state.Entries[0].Index, state.Entries[n-1].Index)
		} else {
			fmt.Fprintln(w, "no entries")
		}
	}
	if r.TornFile != "" {
		fmt.Fprintf(w, "unfinished write: %d bytes of %s from offset %d, which a start cuts off\n", r.TornSize, r.TornFile, r.TornAt)
	}
	for _, fault := range r.Faults {
		file, err := filepath.Rel(r.Dir, fault.File)
		if err != nil {
			file = fault.File
		}
		fmt.Fprintf(w, "damaged: %s at offset %d: %v\n", file, fault.Offset, fault.Err)
	}
	if r.Sound() {
		fmt.Fprintln(w, "sound")
	} else {
		fmt.Fprintln(w, "damaged: a node does not start on this, or could not use all of it; docs/storage.md says what to do")
	}
}
