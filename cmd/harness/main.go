package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitPass     = 0
	exitFail     = 1
	exitUnknown  = 2
	exitUsage    = 3
	exitInternal = 4
)

func main() { os.Exit(realMain()) }

// realMain turns everything that can happen into an exit code, a panic too.
func realMain() (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "harness: panic: %v\n%s", p, debug.Stack())
			code = exitInternal
		}
	}()
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // under nohup it stays ignored
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP) // a closing terminal may send several
		stop()                        // a second Ctrl-C ends at once; the children die with us
	})
	return execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// exit carries an exit code through cobra. An empty text says that all has been said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &exit{exitUsage, fmt.Errorf(format, args...)} }

// command is what a subcommand does; an error without a code is the harness' own failure.
type command func(cmd *cobra.Command, args []string) error

func (c command) run(cmd *cobra.Command, args []string) error {
	err := c(cmd, args)
	if err == nil {
		return nil
	}
	if coded, ok := errors.AsType[*exit](err); ok {
		return coded
	}
	return &exit{exitInternal, err}
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "harness",
		Short:         "Drive real Raft clusters through faults and judge them",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: command(func(cmd *cobra.Command, _ []string) error {
			return usage("say what to do: harness run, list, up or down (harness --help tells more)")
		}).run,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newRunCommand(), newListCommand(), newUpCommand(), newDownCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitPass
	}
	code := exitUsage // cobra's own errors are about the command line
	if coded, ok := errors.AsType[*exit](err); ok {
		code = coded.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(stderr, "harness: %s\n", text)
	}
	return code
}
