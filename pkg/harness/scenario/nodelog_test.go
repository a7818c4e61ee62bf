package scenario

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFetchLog(t *testing.T) {
	for _, c := range []struct {
		name         string
		pages        []string
		first, count int
		fails        string
	}{
		{"from the beginning", []string{page(1, 3), page(4, 2), page(6, 0)}, 1, 5, ""},
		{"behind a snapshot", []string{page(40, 2), page(42, 0)}, 40, 2, ""},
		{"compacted while it is read", []string{page(1, 3), page(9, 2), page(11, 0)}, 9, 2, ""},
		{"empty", []string{page(1, 0)}, 1, 0, ""},
		{"all compacted", []string{page(17, 0)}, 17, 0, ""},
		{"a page repeated", []string{page(1, 3), page(1, 3)}, 0, 0, "begins at index 1"},
		{"another entry first", []string{strings.Replace(page(5, 2), `"first":5`, `"first":4`, 1)}, 0, 0, "begins at index 5, and says 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pages := c.pages
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, pages[0])
				pages = pages[1:]
			}))
			defer server.Close()
			log, err := fetchLog(t.Context(), server.Client(), server.URL)
			switch {
			case c.fails != "":
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("error %v, want …%s…", err, c.fails)
				}
			case err != nil || log.First != uint64(c.first) || len(log.Entries) != c.count || len(pages) != 0:
				t.Errorf("first %d, %d entries, %d pages unread (%v); want %d, %d", log.First, len(log.Entries), len(pages), err, c.first, c.count)
			}
		})
	}
}

// page is an answer of /v1/log.
func page(first, count int) string {
	var entries []string
	for i := range count {
		entries = append(entries, fmt.Sprintf(`{"index":%d,"term":1,"checksum":7}`, first+i))
	}
	return fmt.Sprintf(`{"first":%d,"entries":[%s]}`, first, strings.Join(entries, ","))
}
