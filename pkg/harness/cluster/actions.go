package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"whitewater/pkg/harness/observe"
)

// stopPoll is how often /proc is asked whether SIGSTOP has taken effect; the kernel tells nobody else.
const stopPoll = time.Millisecond

// Kill ends nodes with SIGKILL, all at once, and returns when they are gone.
func (c *Cluster) Kill(ids []string) error {
	nodes, err := c.doomed(ids)
	if err != nil {
		return err
	}
	return c.kill(nodes)
}

// doomed finds nodes to end, tells BeforeKill, and marks their end as asked for.
func (c *Cluster) doomed(ids []string) ([]*Node, error) {
	nodes, err := c.find(ids)
	if err != nil {
		return nil, err
	}
	var running []string
	for _, n := range nodes {
		switch c.State(n.ID) {
		case Down, Absent:
			return nil, fmt.Errorf("%s is down already", n.ID)
		case Running:
			running = append(running, n.ID)
		}
	}
	c.opts.BeforeKill(running)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range nodes {
		n.expected = true
	}
	return nodes, nil
}

func (c *Cluster) kill(nodes []*Node) error {
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.process.Signal(syscall.SIGKILL))
	}
	for _, n := range nodes {
		errs = append(errs, n.process.kill())
		c.setState(n, Down)
	}
	return errors.Join(errs...)
}

func (c *Cluster) setState(n *Node, s State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.state = s
}

// Stop asks nodes to end with SIGTERM and returns when they have; each must exit with code 0 in time.
func (c *Cluster) Stop(ctx context.Context, ids []string) error {
	nodes, err := c.doomed(ids)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.StopTimeout)
	defer cancel()
	var errs []error
	for _, n := range nodes {
		errs = append(errs, n.process.Signal(syscall.SIGTERM))
	}
	for _, n := range nodes {
		select {
		case <-n.process.Exited():
			if !n.process.clean() {
				errs = append(errs, fmt.Errorf("%s after SIGTERM: %s, want exit code 0: %s", n.ID, n.process.ExitText(), lastLine(n.process.cmd.Stderr)))
			}
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s did not end after SIGTERM: %w", n.ID, ctx.Err()), n.process.kill())
		}
		c.setState(n, Down)
	}
	return errors.Join(errs...)
}

// Restart starts nodes that are down as they were started before, and kills first those that are not down.
func (c *Cluster) Restart(ctx context.Context, ids []string) error {
	nodes, err := c.find(ids)
	if err != nil {
		return err
	}
	var up []string
	for _, n := range nodes {
		switch {
		case n.process == nil:
			return fmt.Errorf("%s has never run: start it", n.ID)
		case c.running(n.ID):
			up = append(up, n.ID)
		}
	}
	if len(up) > 0 {
		if err := c.Kill(up); err != nil {
			return err
		}
	}
	return c.launch(ctx, nodes)
}

// Pause stops nodes with SIGSTOP and returns once the kernel has stopped them.
func (c *Cluster) Pause(ctx context.Context, ids []string) error {
	nodes, err := c.find(ids)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if s := c.State(n.ID); s != Running {
			return fmt.Errorf("cannot pause %s: it is %s", n.ID, s)
		}
		if err := n.process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		c.setState(n, Paused)
	}
	for _, n := range nodes {
		if err := awaitStopped(ctx, n.process); err != nil {
			return err
		}
	}
	return nil
}

func awaitStopped(ctx context.Context, p *Process) error {
	ticker := time.NewTicker(stopPoll)
	defer ticker.Stop()
	for {
		is, err := stopped(p.Pid())
		if err != nil {
			return fmt.Errorf("pause %s: %w", p.Name, err)
		}
		if is {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("pause %s: %w", p.Name, ctx.Err())
		}
	}
}

// Resume lets paused nodes go on.
func (c *Cluster) Resume(ids []string) error {
	nodes, err := c.find(ids)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if s := c.State(n.ID); s != Paused {
			return fmt.Errorf("cannot resume %s: it is %s", n.ID, s)
		}
		if err := n.process.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		c.setState(n, Running)
	}
	return nil
}

// Power kills nodes and takes from their disks what was not synced. It returns what each lost.
func (c *Cluster) Power(ids []string) (map[string]Cut, error) {
	nodes, err := c.doomed(ids)
	if err != nil {
		return nil, err
	}
	if err := c.kill(nodes); err != nil {
		return nil, err
	}
	cuts := map[string]Cut{}
	for _, n := range nodes {
		cut, err := n.losePower()
		if err != nil {
			return cuts, fmt.Errorf("power loss of %s: %w", n.ID, err)
		}
		cuts[n.ID] = cut
	}
	return cuts, nil
}

// losePower takes from the node's disk what was not durable; the node is down.
func (n *Node) losePower() (Cut, error) {
	if err := n.readSteps(); err != nil {
		return Cut{}, err
	}
	return n.disk.cut(n.DataDir())
}

// readSteps tells the disk what the event log has told since the last call.
func (n *Node) readSteps() error {
	events, err := observe.ReadEvents(n.EventLog())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the node has not run yet
	}
	if err != nil {
		return err
	}
	var ops []FileOp
	for _, e := range events[n.consumed:] {
		switch e.Event {
		case observe.EventWipe:
			n.disk, ops = newDisk(), nil
		case observe.EventCreate, observe.EventRename, observe.EventRemove, observe.EventSync, observe.EventSyncDir:
			ops = append(ops, FileOp{Op: e.Event, File: e.File, To: e.To, Length: e.Length})
		}
	}
	n.consumed = len(events)
	n.disk.observe(ops)
	return nil
}

// settle looks before a start whether the process before has left the disk ahead of its event log.
func (c *Cluster) settle(n *Node) error {
	if c.opts.NoEvents {
		return nil
	}
	if err := n.readSteps(); err != nil {
		return fmt.Errorf("event log of %s: %w", n.ID, err)
	}
	ahead, err := n.disk.settle(n.DataDir())
	if ahead != "" {
		c.opts.Logger.Info("disk ahead of the event log", "node", n.ID, "why", ahead)
	}
	return err
}
