package deploy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dashboardFile is the part of Grafana's classic model that asks for data.
type dashboardFile struct {
	Panels      []panel `json:"panels"`
	Annotations struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
}

// panel is one picture, or a row; a closed row holds its panels.
type panel struct {
	Title   string `json:"title"`
	Type    string `json:"type"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
	Panels []panel `json:"panels"`
}

type annotation struct {
	Name string `json:"name"`
	Expr string `json:"expr"`
}

// ask is one expression of a dashboard and where it stands.
type ask struct {
	dashboard string
	title     string // of the panel or annotation
	expr      string // as written, variables included
	marks     bool   // an annotation's, so legitimately empty most of the time
}

// readDashboards returns every expression of every committed dashboard.
func readDashboards(t *testing.T) []ask {
	t.Helper()
	paths, err := filepath.Glob("grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var asks []ask
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboardFile
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		name := filepath.Base(path)
		asks = append(asks, panelAsks(name, d.Panels)...)
		for _, a := range d.Annotations.List {
			asks = append(asks, ask{dashboard: name, title: a.Name, expr: a.Expr, marks: true})
		}
	}
	if len(asks) == 0 {
		t.Fatal("the dashboards ask nothing: run `go run .` in deploy/grafana/generate")
	}
	return asks
}

func panelAsks(dashboard string, panels []panel) []ask {
	var asks []ask
	for _, p := range panels {
		for _, target := range p.Targets {
			asks = append(asks, ask{dashboard: dashboard, title: p.Title, expr: target.Expr})
		}
		asks = append(asks, panelAsks(dashboard, p.Panels)...)
	}
	return asks
}

// rateInterval is what Grafana puts for $__rate_interval when the step is the
// scrape interval of 1s: four scrapes.
const rateInterval = "4s"

// substitute does what Grafana does with the variables before it asks.
func substitute(expr, cluster string, nodes []string) string {
	return strings.NewReplacer(
		"$__rate_interval", rateInterval,
		"$cluster", cluster,
		"$node", "("+strings.Join(nodes, "|")+")",
	).Replace(expr)
}
