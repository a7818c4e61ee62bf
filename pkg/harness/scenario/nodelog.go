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

// fetchLog reads a node's durable log from the first entry that it still holds to its end. A node that compacts its
// log meanwhile is read anew.
func fetchLog(ctx context.Context, client *http.Client, base string) (check.Log, error) {
	var log check.Log
	for next := uint64(1); ; {
		url := fmt.Sprintf("%s/v1/log?from=%d&limit=%d", base, next, logPage)
		page, err := fetchPage(ctx, client, url)
		if err != nil {
			return log, fmt.Errorf("get %s: %w", url, err)
		}
		switch {
		case page.First < next, len(page.Entries) > 0 && page.Entries[0].Index != page.First:
			return log, fmt.Errorf("get %s: the answer begins at index %d, and says %d", url, firstOf(page), page.First)
		case page.First > next || next == 1:
			log = page
		default:
			log.Entries = append(log.Entries, page.Entries...)
		}
		if len(page.Entries) == 0 {
			return log, nil
		}
		next = log.First + uint64(len(log.Entries))
	}
}

// firstOf is the index of a log's first entry; 0 if it has none.
func firstOf(log check.Log) uint64 {
	if len(log.Entries) == 0 {
		return 0
	}
	return log.Entries[0].Index
}

func fetchPage(ctx context.Context, client *http.Client, url string) (page check.Log, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return page, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return page, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPageBytes))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return page, err
	}
	if resp.StatusCode != http.StatusOK {
		return page, fmt.Errorf("status %s", resp.Status)
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return page, fmt.Errorf("not the JSON of a log: %w", err)
	}
	return page, nil
}
