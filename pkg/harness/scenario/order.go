package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"whitewater/pkg/harness/cluster"
)

const (
	orderRetry   = 20 * time.Millisecond // between attempts at what is refused for the moment
	orderTimeout = 2 * time.Second       // of one attempt that is not a transfer
	maxAnswer    = 64 << 10
	fillers      = 4 // values put at a time
)

// order asks a node for something and returns the answer.
func order(ctx context.Context, client *http.Client, method, url string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, errors.Join(err, resp.Body.Close())
}

// insist gives an order until the answer is the status wanted. Its error has the last answer, if there was one.
func insist(ctx context.Context, client *http.Client, method, url string, body []byte, want int) error {
	var last error
	for {
		attempt, cancel := context.WithTimeout(ctx, orderTimeout)
		status, answer, err := order(attempt, client, method, url, body)
		cancel()
		if err == nil && status == want {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("status %d: %s", status, answer)
		}
		if last == nil || ctx.Err() == nil { // else time has run out over this attempt
			last = err
		}
		if sleepUntil(ctx, time.Now().Add(orderRetry)) != nil {
			return fmt.Errorf("%s %s: %w (%w)", method, url, last, ctx.Err())
		}
	}
}

// url is where a node's client API is.
func (r *run) url(node string) string {
	for _, e := range r.cluster.Endpoints() {
		if e.ID == node {
			return e.HTTP
		}
	}
	return ""
}

// snapshot has nodes take a snapshot; one that is at it takes another when it is done.
func (r *run) snapshot(ctx context.Context, i int, st *Step) ([]string, error) {
	nodes, err := r.pick(ctx, i, st.Snapshot, st, nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, st.Within.Of(defaultWithin))
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	r.note()
	for _, n := range nodes {
		if err := insist(ctx, client, http.MethodPost, r.url(n)+"/v1/snapshot", nil, http.StatusAccepted); err != nil {
			return nil, fmt.Errorf("ask %s for a snapshot: %w", n, err)
		}
	}
	return nodes, nil
}

// fill puts values that the load knows nothing of, through any running node: what does not lead sends on.
func (r *run) fill(ctx context.Context, st *Step) error {
	within := st.Within.Of(defaultWithin)
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	r.note()
	var group errgroup.Group
	group.SetLimit(fillers)
	for key := range st.Fill.Keys {
		value := bytes.Repeat([]byte{byte('a' + key%26)}, st.Fill.Bytes)
		group.Go(func() error {
			return insist(ctx, client, http.MethodPut, fmt.Sprintf("%s/v1/kv/fill%%2F%d", r.anyURL(key), key), value, http.StatusOK)
		})
	}
	if err := group.Wait(); errors.Is(err, context.DeadlineExceeded) {
		return &stall{what: fmt.Sprintf("%d values to be put, for %v: %v", st.Fill.Keys, within, err)}
	} else if err != nil {
		return err
	}
	return nil
}

// anyURL spreads requests over the running nodes.
func (r *run) anyURL(i int) string {
	var urls []string
	for _, e := range r.cluster.Endpoints() {
		if e.State == cluster.Running {
			urls = append(urls, e.HTTP)
		}
	}
	if len(urls) == 0 {
		return ""
	}
	return urls[i%len(urls)]
}
