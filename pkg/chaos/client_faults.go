package chaos

import (
	"context"
	"net/http"
)

// AllLinks is every msgpack-rpc link that there is.
func AllLinks() Targets { return Targets{All: true} }

// OnLinks is the links named.
func OnLinks(names ...string) Targets { return Targets{Links: names} }

// AddFault puts a message fault into force on links in one step, and returns the links' names. Mind
// Probability: 0 concerns no message.
func (c *Client) AddFault(ctx context.Context, on Targets, f Fault) (links []string, err error) {
	var added faultAnswer
	err = c.do(ctx, http.MethodPost, "/faults", faultsRequest{on, faultBody(f)}, &added)
	return added.Links, err
}

// RemoveFault takes a message fault away from every link, and returns the links' names.
func (c *Client) RemoveFault(ctx context.Context, name string) (links []string, err error) {
	var removed linksAnswer
	err = c.do(ctx, http.MethodDelete, path("faults", name), nil, &removed)
	return removed.Links, err
}

// Faults returns the message faults in force, by link.
func (c *Client) Faults(ctx context.Context) (map[string][]Fault, error) {
	var all map[string][]Fault
	err := c.do(ctx, http.MethodGet, "/faults", nil, &all)
	return all, err
}

// AddLinkFault puts a message fault on one link.
func (c *Client) AddLinkFault(ctx context.Context, link string, f Fault) (Fault, error) {
	var added Fault
	err := c.do(ctx, http.MethodPost, path("proxies", link, "faults"), f, &added)
	return added, err
}

// LinkFaults returns one link's message faults in the order in which they act.
func (c *Client) LinkFaults(ctx context.Context, link string) ([]Fault, error) {
	var all []Fault
	err := c.do(ctx, http.MethodGet, path("proxies", link, "faults"), nil, &all)
	return all, err
}

// LinkFault returns one message fault of one link.
func (c *Client) LinkFault(ctx context.Context, link, name string) (Fault, error) {
	var f Fault
	err := c.do(ctx, http.MethodGet, path("proxies", link, "faults", name), nil, &f)
	return f, err
}

// RemoveLinkFault takes a message fault away from one link.
func (c *Client) RemoveLinkFault(ctx context.Context, link, name string) error {
	return c.do(ctx, http.MethodDelete, path("proxies", link, "faults", name), nil, nil)
}

// AddPreset puts a preset into force on links in one step.
func (c *Client) AddPreset(ctx context.Context, name string, on Targets) (Preset, error) {
	var p Preset
	err := c.do(ctx, http.MethodPost, path("presets", name), on, &p)
	return p, err
}

// RemovePreset takes a preset away from every link.
func (c *Client) RemovePreset(ctx context.Context, name string) (Preset, error) {
	var p Preset
	err := c.do(ctx, http.MethodDelete, path("presets", name), nil, &p)
	return p, err
}

// Presets returns every preset there is and where it is in force.
func (c *Client) Presets(ctx context.Context) ([]Preset, error) {
	var all []Preset
	err := c.do(ctx, http.MethodGet, "/presets", nil, &all)
	return all, err
}

// Partition puts p into force on all links in one step, and returns it with the links that it touches.
func (c *Client) Partition(ctx context.Context, p Partition) (Partition, error) {
	var made Partition
	err := c.do(ctx, http.MethodPost, "/partitions", p, &made)
	return made, err
}

// Partitions returns those in force.
func (c *Client) Partitions(ctx context.Context) ([]Partition, error) {
	var all []Partition
	err := c.do(ctx, http.MethodGet, "/partitions", nil, &all)
	return all, err
}

// Heal ends one partition and returns it with the links that it touched.
func (c *Client) Heal(ctx context.Context, name string) (Partition, error) {
	var p Partition
	err := c.do(ctx, http.MethodDelete, path("partitions", name), nil, &p)
	return p, err
}

// HealAll ends every partition in one step, and returns them.
func (c *Client) HealAll(ctx context.Context) ([]Partition, error) {
	var all []Partition
	err := c.do(ctx, http.MethodDelete, "/partitions", nil, &all)
	return all, err
}

// AddWatch starts counting a kind of frame on every msgpack-rpc link.
func (c *Client) AddWatch(ctx context.Context, w Watch) (Watch, error) {
	var made Watch
	err := c.do(ctx, http.MethodPost, "/watches", w, &made)
	return made, err
}

// Watches returns them in order of creation.
func (c *Client) Watches(ctx context.Context) ([]Watch, error) {
	var all []Watch
	err := c.do(ctx, http.MethodGet, "/watches", nil, &all)
	return all, err
}

// RemoveWatch ends the counting.
func (c *Client) RemoveWatch(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, path("watches", name), nil, nil)
}
