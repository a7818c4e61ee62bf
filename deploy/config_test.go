package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const prometheusConfig = "prometheus/prometheus.yml"

func TestPromtoolAcceptsTheConfiguration(t *testing.T) {
	root := layOut(t, nil)
	promtool(t, "check", "config", filepath.Join(root, "deploy", prometheusConfig))
}

// Debian's Prometheus is much older than the parser that the other tests use,
// and must understand the same expressions.
func TestPromtoolAcceptsEachExpression(t *testing.T) {
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	type group struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}
	var rules []rule
	for _, a := range readDashboards(t) {
		rules = append(rules, rule{"checked", substitute(a.expr, "up", []string{"n1", "n2"})})
	}
	file := map[string][]group{"groups": {{Name: "dashboards", Rules: rules}}}
	raw, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", path)
}

// Grafana derives $__rate_interval from timeInterval: were it shorter than the
// scrape interval, rate() would see one sample and show nothing.
func TestGrafanaKnowsTheScrapeInterval(t *testing.T) {
	var scraped struct {
		Global struct {
			ScrapeInterval string `yaml:"scrape_interval"`
		} `yaml:"global"`
	}
	readYAML(t, prometheusConfig, &scraped)
	var provisioned struct {
		Datasources []struct {
			UID      string `yaml:"uid"`
			Type     string `yaml:"type"`
			JSONData struct {
				TimeInterval string `yaml:"timeInterval"`
			} `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	readYAML(t, "grafana/provisioning/datasources/whitewater.yaml", &provisioned)
	if len(provisioned.Datasources) != 1 {
		t.Fatalf("%d data sources, want 1", len(provisioned.Datasources))
	}
	source := provisioned.Datasources[0]
	if source.UID == "" || source.Type != "prometheus" {
		t.Errorf("data source has uid %q and type %q, want a fixed uid and prometheus", source.UID, source.Type)
	}
	if source.JSONData.TimeInterval != scraped.Global.ScrapeInterval {
		t.Errorf("timeInterval = %s, scrape_interval = %s: make them equal", source.JSONData.TimeInterval, scraped.Global.ScrapeInterval)
	}
}

func TestDashboardProviderReadsGeneratedFiles(t *testing.T) {
	var provisioned struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Type           string `yaml:"type"`
			AllowUIUpdates bool   `yaml:"allowUiUpdates"`
			Options        struct {
				Path string `yaml:"path"`
			} `yaml:"options"`
		} `yaml:"providers"`
	}
	readYAML(t, "grafana/provisioning/dashboards/whitewater.yaml", &provisioned)
	if provisioned.APIVersion != 1 || len(provisioned.Providers) != 1 {
		t.Fatalf("provisioning = %+v, want version 1 with one provider", provisioned)
	}
	provider := provisioned.Providers[0]
	if provider.Type != "file" || provider.AllowUIUpdates || provider.Options.Path != "$WHITEWATER_DASHBOARDS" {
		t.Errorf("provider = %+v, want a file provider of $WHITEWATER_DASHBOARDS without changes in the browser", provider)
	}
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// promtool runs Debian's promtool, or skips the test where it is not installed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: apt-get install prometheus)")
	}
	output, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
}
