package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"whitewater/pkg/harness/check"
)

const (
	logPage      = 1000     // entries asked for at once
	maxPageBytes = 16 << 20 // of one answer
)

// fetchLog reads a node's durable log from index 1 to its end.
func fetchLog(ctx context.Context, client *http.Client, base string) ([]check.LogEntry, error) {
	var all []check.LogEntry
	for {
		url := fmt.Sprintf("%s/v1/log?from=%d&limit=%d", base, len(all)+1, logPage)
		page, err := fetchPage(ctx, client, url)
		if err != nil {
			return all, fmt.Errorf("get %s: %w", url, err)
		}
		if len(page) == 0 {
			return all, nil
		}
		if want := uint64(len(all) + 1); page[0].Index != want {
			return all, fmt.Errorf("get %s: the answer begins at index %d, want %d", url, page[0].Index, want)
		}
		all = append(all, page...)
	}
}

func fetchPage(ctx context.Context, client *http.Client, url string) ([]check.LogEntry, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPageBytes))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	var page struct {
		Entries []check.LogEntry `json:"entries"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("not the JSON of a log: %w", err)
	}
	return page.Entries, nil
}
