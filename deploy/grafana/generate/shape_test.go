package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

func TestDashboardHasStableUIDAndMarker(t *testing.T) {
	uids := map[string]string{}
	for name, d := range readDashboards(t) {
		want := "whitewater-" + strings.TrimSuffix(name, ".json")
		if d.Uid == nil || *d.Uid != want {
			t.Errorf("%s: uid = %v, want %s", name, d.Uid, want)
			continue
		}
		if other, taken := uids[*d.Uid]; taken {
			t.Errorf("%s and %s share the uid %s", name, other, *d.Uid)
		}
		uids[*d.Uid] = name
		if d.Description == nil || !strings.Contains(*d.Description, marker) {
			t.Errorf("%s: the description lacks %q", name, marker)
		}
		if d.GraphTooltip == nil || *d.GraphTooltip != dashboard.DashboardCursorSyncCrosshair {
			t.Errorf("%s: the crosshair is not shared", name)
		}
	}
}

func TestDashboardHasItsVariables(t *testing.T) {
	for name, d := range readDashboards(t) {
		var got []string
		for _, v := range d.Templating.List {
			got = append(got, v.Name)
			if v.Type != "datasource" && !isVariable(v.Datasource) {
				t.Errorf("%s: variable %s does not ask ${datasource}", name, v.Name)
			}
		}
		if want := []string{"datasource", "cluster", "node"}; !slices.Equal(got, want) {
			t.Errorf("%s: variables = %v, want %v", name, got, want)
		}
	}
}

func TestEachPanelExplainsItself(t *testing.T) {
	for name, d := range readDashboards(t) {
		titles := map[string]bool{}
		ids := map[uint32]bool{}
		for _, p := range panelsOf(d) {
			title := text(p.Title)
			if title == "" || titles[title] {
				t.Errorf("%s: title %q is empty or taken twice", name, title)
			}
			titles[title] = true
			if p.Id == nil || ids[*p.Id] {
				t.Errorf("%s: panel %q has no id of its own", name, title)
			} else {
				ids[*p.Id] = true
			}
			if text(p.Description) == "" {
				t.Errorf("%s: panel %q has no description", name, title)
			}
			if text(p.FieldConfig.Defaults.Unit) == "" {
				t.Errorf("%s: panel %q has no unit", name, title)
			}
			if len(p.Targets) == 0 {
				t.Errorf("%s: panel %q asks nothing", name, title)
			}
			if !isVariable(p.Datasource) {
				t.Errorf("%s: panel %q does not ask ${datasource}", name, title)
			}
		}
	}
}

func TestEachQueryKeepsToTheRules(t *testing.T) {
	ranges := regexp.MustCompile(`\[([^\]]*)\]`)
	for name, d := range readDashboards(t) {
		asked := map[string]string{}
		for _, p := range panelsOf(d) {
			for _, target := range p.Targets {
				q, ok := target.(*prometheus.Dataquery)
				if !ok {
					t.Fatalf("%s: panel %q: query is a %T", name, text(p.Title), target)
				}
				if !isVariable(q.Datasource) {
					t.Errorf("%s: %q does not ask ${datasource}", name, q.Expr)
				}
				if other, taken := asked[q.Expr]; taken {
					t.Errorf("%s: panels %q and %q share the query %q", name, other, text(p.Title), q.Expr)
				}
				asked[q.Expr] = text(p.Title)
				if text(q.LegendFormat) == "" {
					t.Errorf("%s: %q has no legend", name, q.Expr)
				}
				checkExpr(t, name, ranges, q.Expr)
			}
		}
		for _, a := range d.Annotations.List {
			if !isVariable(a.Datasource) || text(a.TitleFormat) == "" || text(a.Step) == "" {
				t.Errorf("%s: annotation %q lacks ${datasource}, a title or a step", name, a.Name)
			}
			checkExpr(t, name, ranges, text(a.Expr))
		}
	}
}

func checkExpr(t *testing.T, name string, ranges *regexp.Regexp, expr string) {
	t.Helper()
	for _, r := range ranges.FindAllStringSubmatch(expr, -1) {
		if r[1] != "$__rate_interval" {
			t.Errorf("%s: %q looks back over %s, want $__rate_interval", name, expr, r[1])
		}
	}
	if selectors := strings.Count(expr, "{"); selectors == 0 || strings.Count(expr, `{cluster="$cluster"`) != selectors {
		t.Errorf("%s: %q has a selector that is not bound to $cluster", name, expr)
	}
}

// The panel of heartbeats must show the limit that the project exists to keep.
func TestHeartbeatPanelsDrawTheLimit(t *testing.T) {
	drawn := 0
	for _, p := range panelsOf(readDashboards(t)["elections.json"]) {
		thresholds := p.FieldConfig.Defaults.Thresholds
		if thresholds == nil {
			continue
		}
		for _, step := range thresholds.Steps {
			if step.Value != nil && *step.Value == 10 {
				drawn++
			}
		}
	}
	if drawn != 2 {
		t.Errorf("the line at 10 is drawn on %d panels, want 2", drawn)
	}
}

func readDashboards(t *testing.T) map[string]dashboard.Dashboard {
	t.Helper()
	read := map[string]dashboard.Dashboard{}
	for name, raw := range readCommitted(t) {
		d, err := readStrictly(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		read[name] = d
	}
	return read
}

// panelsOf returns all panels, those inside closed rows included.
func panelsOf(d dashboard.Dashboard) []dashboard.Panel {
	var panels []dashboard.Panel
	for _, p := range d.Panels {
		if p.Panel != nil {
			panels = append(panels, *p.Panel)
		}
		if p.RowPanel != nil {
			panels = append(panels, p.RowPanel.Panels...)
		}
	}
	return panels
}

func isVariable(ref *common.DataSourceRef) bool {
	return ref != nil && text(ref.Type) == "prometheus" && text(ref.Uid) == "${datasource}"
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
