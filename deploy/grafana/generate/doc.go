// Command generate writes Whitewater's Grafana dashboards as JSON files.
//
// In: the tables of this package, one file per dashboard (elections.go). A
// table lists rows, a row lists panels, a panel says what it asks, what the
// answer means and in which unit, and how to draw it.
//
// Out: one file per dashboard in the classic model, the one that every Grafana
// since 10 loads (newer ones migrate it on load). The files are committed;
// a test here fails when they differ from what the tables say.
//
// Every dashboard keeps to these rules, which a test checks: a stable uid; the
// variables datasource, cluster and node; each query goes to ${datasource}; a
// unit and a description on each panel; $__rate_interval and no other range;
// no two panels with the same query.
//
// This is a module of its own, because the proxy serves no version list for
// Grafana's SDK and one version must be named exactly. It knows nothing of a
// running node: whether the metrics exist, and whether the queries return
// data, is tested in the directory deploy of the main module.
//
// Run it in this directory:
//
//	go run . -out ../dashboards
package main
