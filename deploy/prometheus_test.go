package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// pollInterval is how often a condition is asked for again: four times per scrape.
const pollInterval = 250 * time.Millisecond

// targetGroup is one entry of the file that tells Prometheus what to scrape.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// layOut makes a directory that looks like the repository to Prometheus: the
// configuration as it is committed, and the file of targets where it looks for it.
func layOut(t *testing.T, targets []targetGroup) string {
	t.Helper()
	root := t.TempDir()
	config, err := os.ReadFile(prometheusConfig)
	if err != nil {
		t.Fatal(err)
	}
	discovered, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{
		filepath.Join(root, "deploy", prometheusConfig): config,
		filepath.Join(root, ".up", "targets.json"):      discovered,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// server is a running Prometheus and a client of its API.
type server struct {
	t      *testing.T
	url    string
	client *http.Client
}

// startPrometheus runs the installed Prometheus over the committed configuration
// and waits until it answers.
func startPrometheus(t *testing.T, l *launcher, targets []targetGroup) *server {
	t.Helper()
	root, address := layOut(t, targets), reservePort(t)
	l.run("prometheus", findPrometheus(t),
		"--config.file", filepath.Join(root, "deploy", prometheusConfig),
		"--storage.tsdb.path", filepath.Join(root, "tsdb"),
		"--web.listen-address", address, "--log.level", "warn")
	s := &server{
		t: t, url: "http://" + address,
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	s.await("Prometheus to be ready", func() bool {
		response, err := s.client.Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return s
}

// in returns the same server for use in a subtest.
func (s *server) in(t *testing.T) *server {
	return &server{t: t, url: s.url, client: s.client}
}

// findPrometheus returns the path of the installed Prometheus, or skips the test.
func findPrometheus(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed (Debian: apt-get install prometheus)")
	}
	return path
}

// await polls until holds, and ends the test when it takes too long.
func (s *server) await(what string, holds func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// series is one line of an answer: its labels, its values without the NaNs.
type series struct {
	labels map[string]string
	values []float64
}

// now asks for the present.
func (s *server) now(expr string) []series {
	s.t.Helper()
	return s.ask("query", url.Values{"query": {expr}})
}

// since asks for every second from start until now.
func (s *server) since(start time.Time, expr string) []series {
	s.t.Helper()
	return s.ask("query_range", url.Values{
		"query": {expr}, "step": {"1"},
		"start": {strconv.FormatInt(start.Unix(), 10)},
		"end":   {strconv.FormatInt(time.Now().Unix(), 10)},
	})
}

func (s *server) ask(endpoint string, parameters url.Values) []series {
	s.t.Helper()
	response, err := s.client.Get(s.url + "/api/v1/" + endpoint + "?" + parameters.Encode())
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Error string `json:"error"`
		Data  struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
				Value  *sample           `json:"value"`
				Values []sample          `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		s.t.Fatalf("%s: %v", response.Status, err)
	}
	if answer.Error != "" {
		s.t.Fatalf("%s: %s", parameters.Get("query"), answer.Error)
	}
	var found []series
	for _, r := range answer.Data.Result {
		line := series{labels: r.Metric}
		if r.Value != nil {
			r.Values = append(r.Values, *r.Value)
		}
		for _, v := range r.Values {
			if !math.IsNaN(float64(v)) {
				line.values = append(line.values, float64(v))
			}
		}
		if len(line.values) > 0 {
			found = append(found, line)
		}
	}
	return found
}

// sample is a value as the API writes it: [time, "value"].
type sample float64

func (s *sample) UnmarshalJSON(raw []byte) error {
	var pair [2]any
	if err := json.Unmarshal(raw, &pair); err != nil {
		return err
	}
	text, ok := pair[1].(string)
	if !ok {
		return fmt.Errorf("sample %s has no value in quotes", raw)
	}
	value, err := strconv.ParseFloat(text, 64)
	*s = sample(value)
	return err
}
