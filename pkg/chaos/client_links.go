package chaos

import (
	"context"
	"net/http"
)

// Proxies returns every link by name.
func (c *Client) Proxies(ctx context.Context) (map[string]Proxy, error) {
	var all map[string]Proxy
	err := c.do(ctx, http.MethodGet, "/proxies", nil, &all)
	return all, err
}

// Proxy returns one link.
func (c *Client) Proxy(ctx context.Context, name string) (Proxy, error) {
	var p Proxy
	err := c.do(ctx, http.MethodGet, path("proxies", name), nil, &p)
	return p, err
}

// Create makes a link and returns it with its real listen address. Set Enabled for it to listen.
func (c *Client) Create(ctx context.Context, p Proxy) (Proxy, error) {
	var made Proxy
	err := c.do(ctx, http.MethodPost, "/proxies", p, &made)
	return made, err
}

// Populate makes many links; see Server.Populate.
func (c *Client) Populate(ctx context.Context, proxies []Proxy) ([]Proxy, error) {
	var made populated
	err := c.do(ctx, http.MethodPost, "/populate", proxies, &made)
	return made.Proxies, err
}

// Update changes a link; see Server.Update.
func (c *Client) Update(ctx context.Context, name string, u ProxyUpdate) (Proxy, error) {
	var p Proxy
	err := c.do(ctx, http.MethodPatch, path("proxies", name), u, &p)
	return p, err
}

// SetEnabled lets a link listen, or refuse dials and drop its connections.
func (c *Client) SetEnabled(ctx context.Context, name string, enabled bool) error {
	_, err := c.Update(ctx, name, ProxyUpdate{Enabled: &enabled})
	return err
}

// SetUpstreams gives many links new upstreams in one step; see Server.SetUpstreams.
func (c *Client) SetUpstreams(ctx context.Context, upstreams map[string]string) ([]Proxy, error) {
	var changed upstreamsAnswer
	err := c.do(ctx, http.MethodPost, "/upstreams", upstreamsRequest{upstreams}, &changed)
	return changed.Proxies, err
}

// Delete takes a link away.
func (c *Client) Delete(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, path("proxies", name), nil, nil)
}

// Reset enables every link and removes every toxic, message fault and partition.
func (c *Client) Reset(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/reset", nil, nil)
}

// Toxics returns a link's toxics.
func (c *Client) Toxics(ctx context.Context, link string) ([]Toxic, error) {
	var all []Toxic
	err := c.do(ctx, http.MethodGet, path("proxies", link, "toxics"), nil, &all)
	return all, err
}

// Toxic returns one toxic.
func (c *Client) Toxic(ctx context.Context, link, name string) (Toxic, error) {
	var t Toxic
	err := c.do(ctx, http.MethodGet, path("proxies", link, "toxics", name), nil, &t)
	return t, err
}

// AddToxic puts a toxic on a link. Mind Toxicity: 0 concerns no connection.
func (c *Client) AddToxic(ctx context.Context, link string, t Toxic) (Toxic, error) {
	var added Toxic
	err := c.do(ctx, http.MethodPost, path("proxies", link, "toxics"), t, &added)
	return added, err
}

// UpdateToxic changes a toxic in place.
func (c *Client) UpdateToxic(ctx context.Context, link, name string, u ToxicUpdate) (Toxic, error) {
	var t Toxic
	err := c.do(ctx, http.MethodPatch, path("proxies", link, "toxics", name), u, &t)
	return t, err
}

// RemoveToxic takes a toxic away.
func (c *Client) RemoveToxic(ctx context.Context, link, name string) error {
	return c.do(ctx, http.MethodDelete, path("proxies", link, "toxics", name), nil, nil)
}
