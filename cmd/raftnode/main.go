package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage"
)

const (
	exitOK       = 0
	exitFailed   = 1
	exitSettings = 3
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

// errUnusable marks a setting that is well-formed and of no use on this machine.
var errUnusable = errors.New("cannot be used")

// run is the program; it returns the exit code.
func run(args, environ []string, stdout, stderr io.Writer) int {
	if isOffline(args) {
		return runOffline(args, stdout, stderr)
	}
	c, flags, err := load(args, environ)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		usage(stdout, flags)
		return exitOK
	case c.version:
		fmt.Fprintln(stdout, versionLine())
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "raftnode: settings:\n  %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		return exitSettings
	case c.printConfig:
		if err := c.print(stdout, flags); err != nil {
			return fail(stderr, err)
		}
		return exitOK
	}
	logger := newLogger(c, stderr)
	for _, warning := range c.warnings() {
		logger.Warn(warning)
	}
	fmt.Fprintln(stdout, versionLine())
	fmt.Fprintln(stdout, "settings "+c.summary(flags))

	ctx, release := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP, os.Interrupt)
	defer release()
	n, err := start(c, logger, stdout)
	if err != nil {
		return fail(stderr, err)
	}
	reason, err := n.wait(ctx)
	release() // a second signal ends the process at once
	if err := errors.Join(err, n.stop(reason)); err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintln(stdout, "stopped")
	return exitOK
}

// fail says why the process ends and returns its exit code.
func fail(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "raftnode: %v\n", err)
	for _, refusal := range []error{errUnusable, errOtherVoters, protocol.ErrForgotten, storage.ErrLocked, storage.ErrForeign, storage.ErrVersion, fs.ErrPermission, syscall.ENOTDIR} {
		if errors.Is(err, refusal) {
			return exitSettings
		}
	}
	return exitFailed
}

// newLogger logs to w as the settings say.
func newLogger(c *config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		panic("log level was not validated: " + c.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if c.logFormat == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	return slog.New(handler)
}
