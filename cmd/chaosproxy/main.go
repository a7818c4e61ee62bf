package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"whitewater/pkg/chaos"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: it returns when ctx ends or something failed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, os.Environ(), stdout)
	switch {
	case errors.Is(err, errAnswered):
		return exitOK
	case err != nil:
		say(stderr, err)
		return exitUsage
	}
	server := chaos.NewServer(c.options(c.logger(stderr), buildVersion()))
	api, err := open(server, c)
	if err != nil {
		say(stderr, errors.Join(err, server.Close()))
		return exitUsage
	}
	if err := serve(ctx, server, api, stdout); err != nil {
		say(stderr, err)
		return exitFailed
	}
	return exitOK
}

// open takes every port there is to take.
func open(server *chaos.Server, c config) (net.Listener, error) {
	api, err := net.Listen("tcp", c.listen)
	if err != nil {
		return nil, fmt.Errorf("control API: %w (give another address with --listen)", err)
	}
	if _, err := server.Populate(c.links); err != nil {
		return nil, errors.Join(fmt.Errorf("--config %s: %w", c.file, err), api.Close())
	}
	return api, nil
}

// serve answers the control API until ctx ends.
func serve(ctx context.Context, server *chaos.Server, api net.Listener, stdout io.Writer) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(api) }()
	if _, err := fmt.Fprintf(stdout, "ready api=%s\n", api.Addr()); err != nil {
		return errors.Join(fmt.Errorf("print the ready line: %w", err), server.Close(), <-served)
	}
	select {
	case <-ctx.Done():
		return errors.Join(server.Close(), <-served)
	case err := <-served:
		return errors.Join(err, server.Close())
	}
}

// say prints err as the program's last word. There is nowhere to report that it cannot be printed.
func say(stderr io.Writer, err error) {
	_, _ = fmt.Fprintf(stderr, "chaosproxy: %v\n", err)
}

// buildVersion is the module version or revision that the binary was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}
