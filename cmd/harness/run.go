package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"whitewater/pkg/harness/check"
	"whitewater/pkg/harness/cluster"
	"whitewater/pkg/harness/report"
	"whitewater/pkg/harness/scenario"
)

// runFlags are the flags of harness run.
type runFlags struct {
	seed     uint64
	out      string
	parallel int
	bin      string
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [NAME|FILE]…",
		Short: "Run scenarios: those named, or the whole catalogue",
		Long: "Run scenarios of the catalogue by name, or scenario files by path (with a slash or ending in .yaml).\n" +
			"Without arguments the whole catalogue runs. Exit code: 0 pass, 1 fail, 2 unknown, 3 usage, 4 own failure.",
	}
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "of everything random; 0 draws one")
	cmd.Flags().StringVar(&f.out, "out", "runs", "folder for the run's folder")
	cmd.Flags().IntVar(&f.parallel, "parallel", runtime.NumCPU(), "scenarios at a time")
	cmd.Flags().StringVar(&f.bin, "nodes-bin", "", "folder of raftnode, raftnode-mutants and chaosproxy (default: the harness' own)")
	cmd.RunE = command(func(cmd *cobra.Command, args []string) error { return runScenarios(cmd, f, args) }).run
	return cmd
}

func runScenarios(cmd *cobra.Command, f runFlags, args []string) error {
	if f.parallel < 1 {
		return usage("--parallel %d: at least one scenario runs at a time", f.parallel)
	}
	chosen, err := choose(args)
	if err != nil {
		return err
	}
	if f.bin, err = binaries(f.bin, chosen); err != nil {
		return err
	}
	for f.seed == 0 {
		f.seed = uint64(rand.Uint32()) // short enough to be read aloud
	}
	started := time.Now()
	folder := filepath.Join(f.out, fmt.Sprintf("%s-%d", started.Format("20060102-150405"), f.seed))
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return usage("--out %s: %w: name a folder that can be made or written to", f.out, err)
	}
	if err := os.Mkdir(folder, 0o755); errors.Is(err, fs.ErrExist) {
		return err // two runs in one second with one seed: do not mix them
	} else if err != nil {
		return usage("--out %s: %w: name a folder that can be written to", f.out, err)
	}
	out := cmd.OutOrStdout()
	style := report.Style{}
	if file, ok := out.(*os.File); ok {
		style = report.StyleOf(file, os.Getenv)
	}
	terminal := report.NewTerminal(out, style)
	results, err := runAll(cmd.Context(), f, folder, chosen, terminal)
	terminal.Summary(results, folder, time.Since(started))
	return cmp.Or(errors.Join(err, writeJUnit(folder, results), terminal.Err()), worst(results))
}

// runAll runs the scenarios, some at a time, and returns their results in order.
func runAll(ctx context.Context, f runFlags, folder string, chosen []named, terminal *report.Terminal) ([]scenario.Result, error) {
	results := make([]scenario.Result, len(chosen))
	var group errgroup.Group
	group.SetLimit(f.parallel)
	for i, s := range chosen {
		group.Go(func() error {
			var err error
			results[i], err = runOne(ctx, f, folder, s, terminal)
			return err
		})
	}
	return results, group.Wait()
}

func runOne(ctx context.Context, f runFlags, folder string, s named, terminal *report.Terminal) (result scenario.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: panic: %v\n%s", s.Name, p, debug.Stack())
		}
		if err != nil {
			result = scenario.Result{Verdict: check.Unknown, Summary: "the harness failed: " + err.Error(), Folder: filepath.Join(folder, s.Name)}
			if _, ok := errors.AsType[*cluster.SettingsError](err); ok {
				result.Summary = "not run: " + err.Error()
				err = &exit{exitUsage, fmt.Errorf("%s: %w: mend cluster: {flags, mutant} of the scenario", cmp.Or(s.file, s.Name), err)}
			}
		}
		result.Scenario, result.File, result.Seed = s.Name, s.file, f.seed
		terminal.Ended(result)
	}()
	if ctx.Err() != nil {
		return scenario.Result{Verdict: check.Unknown, Summary: "not run: interrupted", Interrupted: true}, nil
	}
	terminal.Started(s.Name)
	return scenario.Run(ctx, s.Scenario, scenario.Options{
		Dir: filepath.Join(folder, s.Name), Bin: f.bin, Seed: f.seed, Connect: scenario.ConnectChaos,
		Progress: func(p scenario.Progress) { terminal.Progress(s.Name, p) },
	})
}

func writeJUnit(folder string, results []scenario.Result) error {
	file, err := os.Create(filepath.Join(folder, "junit.xml"))
	if err != nil {
		return err
	}
	return errors.Join(report.WriteJUnit(file, results), file.Close())
}

// worst is the exit code of a run: fail before unknown before pass.
func worst(results []scenario.Result) error {
	code := exitPass
	for _, r := range results {
		switch r.Verdict {
		case check.Pass:
		case check.Fail:
			return &exit{code: exitFail}
		default:
			code = exitUnknown
		}
	}
	if code == exitPass {
		return nil
	}
	return &exit{code: code}
}
