package scenario

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestInsist_UntilItIsDone(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if asked++; err != nil || string(body) != "x" || asked < 3 {
			http.Error(w, `{"error":"snapshot_in_progress"}`, http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()
	if err := insist(t.Context(), server.Client(), http.MethodPost, server.URL, []byte("x"), http.StatusAccepted); err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := insist(ctx, server.Client(), http.MethodPost, server.URL, nil, http.StatusAccepted)
	if err == nil || !strings.Contains(err.Error(), "status 409") || !isLate(err) {
		t.Errorf("in vain: %v", err)
	}
}
