package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"whitewater/pkg/harness/load"
	"whitewater/pkg/harness/observe"
)

// running reports whether a node has a process, perhaps a stopped one.
func (c *Cluster) running(id string) bool {
	s := c.State(id)
	return s == Running || s == Paused
}

// Join starts nodes that have nothing, spares or wiped ones, to wait until they are added.
func (c *Cluster) Join(ctx context.Context, ids []string) error {
	nodes, err := c.find(ids)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if c.State(n.ID) != Absent {
			return fmt.Errorf("%s is %s: only spares, and nodes that have been wiped, start empty", n.ID, c.State(n.ID))
		}
		switch left, err := os.ReadDir(n.DataDir()); {
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return err
		case len(left) > 0:
			return fmt.Errorf("%s has a data directory: wipe it first", n.ID)
		}
		c.mu.Lock()
		n.joins = true
		c.mu.Unlock()
	}
	return c.launch(ctx, nodes)
}

// Wipe takes the data directories of nodes away, which must be down, and writes that into their event logs. known are
// the ids by which the members know the directories.
func (c *Cluster) Wipe(ids []string, known map[string]string) error {
	nodes, err := c.find(ids)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		switch {
		case c.running(n.ID):
			return fmt.Errorf("%s is %s: a disk is wiped only while its node is down", n.ID, c.State(n.ID))
		case n.process == nil:
			return fmt.Errorf("%s has never run: there is nothing to wipe", n.ID)
		}
	}
	for _, n := range nodes {
		if err := n.wipe(known[n.ID]); err != nil {
			return fmt.Errorf("wipe %s: %w", n.ID, err)
		}
		c.setState(n, Absent)
	}
	return nil
}

func (n *Node) wipe(known string) error {
	if err := os.RemoveAll(n.DataDir()); err != nil {
		return err
	}
	mono := load.Monotonic()
	line, err := json.Marshal(observe.Event{
		Seq: 1, Inc: fmt.Sprintf("wipe-%d", mono), Mono: mono, Node: n.ID, Event: observe.EventWipe, Directory: known,
	})
	if err != nil {
		return err
	}
	log, err := openAppend(n.EventLog())
	if err != nil {
		return err
	}
	_, err = log.Write(append(line, '\n')) // behind half a line too, as the next incarnation's would be
	return errors.Join(err, log.Close())
}

// AwaitExit waits until a node's process has ended by itself, and counts that as expected from then on.
func (c *Cluster) AwaitExit(ctx context.Context, id string) (Exit, error) {
	nodes, err := c.find([]string{id})
	if err != nil {
		return Exit{}, err
	}
	n := nodes[0]
	c.mu.Lock()
	runs, ended := n.process != nil && !n.expected, n.ended
	c.mu.Unlock()
	if !runs {
		return Exit{}, fmt.Errorf("%s does not run, or its end was asked for", id)
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return Exit{}, fmt.Errorf("waited for the end of %s: %w", id, ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.unexpected, func(e Exit) bool { return e.Node == id })
	if i < 0 {
		return Exit{}, fmt.Errorf("the end of %s has been awaited before", id)
	}
	exit := c.unexpected[i]
	c.unexpected = slices.Delete(slices.Clone(c.unexpected), i, i+1)
	n.state = Absent
	return exit, nil
}
