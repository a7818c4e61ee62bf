package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client drives a Server, or the chaosproxy program, over its control API. What the API refuses is
// returned as an *Error, in which errors.Is finds this package's errors.
type Client struct {
	base string
	http *http.Client
}

const (
	clientTimeout   = 30 * time.Second
	clientIdle      = 10 * time.Second // less than any server keeps one, Toxiproxy's 15 s too: a request must not meet the closing
	maxAnswerBytes  = 64 << 20
	maxIdleToServer = 4
)

// NewClient returns a client for the control API at baseURL, such as http://127.0.0.1:8474.
func NewClient(baseURL string) *Client {
	transport := &http.Transport{MaxIdleConnsPerHost: maxIdleToServer, IdleConnTimeout: clientIdle}
	return &Client{base: strings.TrimRight(baseURL, "/"), http: &http.Client{Transport: transport, Timeout: clientTimeout}}
}

// Close gives up the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// path joins escaped segments; names of links may hold any character.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

// do sends in, if it is not nil, and reads the answer into out, if that is not nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	text, err := c.exchange(ctx, method, path, in)
	if err != nil {
		return fmt.Errorf("chaosproxy: %s %s: %w", method, path, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("chaosproxy: %s %s: answer: %w", method, path, err)
	}
	return nil
}

func (c *Client) exchange(ctx context.Context, method, path string, in any) (answer []byte, err error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, refusal(res.StatusCode, text)
	}
	return text, nil
}

// refusal reads an error body, or takes it as it is.
func refusal(status int, text []byte) error {
	var e Error
	if err := json.Unmarshal(text, &e); err != nil || e.Text == "" {
		return &Error{Text: strings.TrimSpace(string(text)), Status: status}
	}
	return &e
}

// Version returns the version of Toxiproxy that the server stands in for, and its own.
func (c *Client) Version(ctx context.Context) (toxiproxy, chaosproxy string, err error) {
	var v version
	err = c.do(ctx, http.MethodGet, "/version", nil, &v)
	return v.Version, v.Chaosproxy, err
}

// Metrics returns the server's metrics as Prometheus text, only those families if names are given.
func (c *Client) Metrics(ctx context.Context, names ...string) ([]byte, error) {
	text, err := c.exchange(ctx, http.MethodGet, "/metrics?"+url.Values{"name[]": names}.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("chaosproxy: metrics: %w", err)
	}
	return text, nil
}
