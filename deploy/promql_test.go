package deploy_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// targetLabels are set by the scraper, see prometheus/prometheus.yml.
var targetLabels = []string{"job", "instance", "cluster", "node"}

// elsewhere are the metrics that another program than raftnode exports.
var elsewhere = []string{"harness_fault_active"}

func TestExpressionsParse(t *testing.T) {
	for _, a := range readDashboards(t) {
		if _, err := parse(a.expr); err != nil {
			t.Errorf("%s, %q: %v", a.dashboard, a.title, err)
		}
	}
}

func TestExpressionsFitWhatANodeExports(t *testing.T) {
	exported := scrapeIdleNode(t)
	for _, a := range readDashboards(t) {
		expr, err := parse(a.expr)
		if err != nil {
			t.Errorf("%s, %q: %v", a.dashboard, a.title, err)
			continue
		}
		if err := checkExpression(expr, exported); err != nil {
			t.Errorf("%s, %q: %v", a.dashboard, a.title, err)
		}
	}
}

// The check above is worth something only if it refuses these.
func TestCheckRefusesWhatNoNodeExports(t *testing.T) {
	exported := exposition{
		"raft_term":              {kind: gauge, labels: map[string][]string{}},
		"raft_role":              {kind: gauge, labels: map[string][]string{"role": {"leader", "follower"}}},
		"raft_votes_total":       {kind: counter, labels: map[string][]string{"kind": {"vote"}}},
		"raft_wait_seconds":      {kind: histogram},
		"raft_wait_seconds_sum":  {kind: counter, labels: map[string][]string{}},
		"process_cpu_seconds_ok": {kind: gauge, labels: map[string][]string{}},
	}
	for expr, want := range map[string]string{
		`raft_trem`:                                             "no node exports raft_trem",
		`raft_role{role="boss"}`:                                `raft_role never has role="boss"`,
		`raft_term{role="leader"}`:                              "raft_term has no label role",
		`sum by (rank) (raft_role)`:                             "raft_role has no label rank",
		`raft_term * on (cluster, kind) raft_term`:              "raft_term has no label kind",
		`rate(raft_term[4s])`:                                   "rate needs a counter, raft_term is a gauge",
		`increase(raft_role[4s])`:                               "increase needs a counter, raft_role is a gauge",
		`delta(raft_votes_total[4s])`:                           "delta needs a gauge, raft_votes_total is a counter",
		`raft_wait_seconds`:                                     "raft_wait_seconds is a histogram: ask for its _bucket, _sum or _count",
		`sum by (node) (rate(raft_votes_total{kind!="x"}[4s]))`: "ok",
		`delta(raft_term[4s]) > on (cluster, node) raft_term`:   "ok",
		`rate(raft_wait_seconds_sum[4s])`:                       "ok",
	} {
		parsed, err := parse(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		got := "ok"
		if err := checkExpression(parsed, exported); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
	}
}

// parse reads an expression, its variables replaced, as the newest Prometheus
// does. What the oldest makes of it is promtool's to say: config_test.go.
func parse(expr string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(substitute(expr, "up", []string{"n1", "n2", "n3"}))
}

// checkExpression walks the tree: each metric and label must be exported, and
// each function must get the kind of metric it is made for.
func checkExpression(expr parser.Expr, exported exposition) error {
	var errs []error
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			errs = append(errs, checkSelector(n, exported)...)
		case *parser.AggregateExpr:
			errs = append(errs, checkLabels(n, n.Grouping, exported)...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				errs = append(errs, checkLabels(n, n.VectorMatching.MatchingLabels, exported)...)
			}
		case *parser.Call:
			errs = append(errs, checkCall(n, exported)...)
		}
		return nil
	})
	return errors.Join(errs...)
}

func checkSelector(selector *parser.VectorSelector, exported exposition) []error {
	if slices.Contains(elsewhere, selector.Name) {
		return nil
	}
	metric, ok := exported[selector.Name]
	if !ok {
		return []error{fmt.Errorf("no node exports %s", selector.Name)}
	}
	if metric.kind == histogram {
		return []error{fmt.Errorf("%s is a histogram: ask for its _bucket, _sum or _count", selector.Name)}
	}
	var errs []error
	for _, m := range selector.LabelMatchers {
		if m.Name == model.MetricNameLabel || slices.Contains(targetLabels, m.Name) {
			continue
		}
		values, ok := metric.labels[m.Name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s has no label %s", selector.Name, m.Name))
		case m.Type == labels.MatchEqual && !slices.Contains(values, m.Value):
			errs = append(errs, fmt.Errorf("%s never has %s=%q", selector.Name, m.Name, m.Value))
		}
	}
	return errs
}

// checkLabels demands that each metric below node has the labels by which node
// groups or matches.
func checkLabels(node parser.Node, names []string, exported exposition) []error {
	var errs []error
	for _, selected := range metricsBelow(node) {
		metric, ok := exported[selected]
		if !ok {
			continue
		}
		for _, name := range names {
			if _, has := metric.labels[name]; !has && !slices.Contains(targetLabels, name) {
				errs = append(errs, fmt.Errorf("%s has no label %s", selected, name))
			}
		}
	}
	return errs
}

func checkCall(call *parser.Call, exported exposition) []error {
	var need kind
	switch call.Func.Name {
	case "rate", "irate", "increase":
		need = counter
	case "delta", "idelta", "deriv", "predict_linear":
		need = gauge
	default:
		return nil
	}
	var errs []error
	for _, selected := range metricsBelow(call) {
		if metric, ok := exported[selected]; ok && metric.kind != need {
			errs = append(errs, fmt.Errorf("%s needs a %s, %s is a %s", call.Func.Name, need, selected, metric.kind))
		}
	}
	return errs
}

// metricsBelow returns the names that the tree under node asks for, each once.
func metricsBelow(node parser.Node) []string {
	var names []string
	parser.Inspect(node, func(n parser.Node, _ []parser.Node) error {
		if selector, ok := n.(*parser.VectorSelector); ok && !slices.Contains(names, selector.Name) {
			names = append(names, selector.Name)
		}
		return nil
	})
	return names
}
