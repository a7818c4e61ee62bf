// Package deploy holds what one needs to watch a cluster with Prometheus and
// Grafana, and the tests that keep it true. There is no Go code to import.
//
// prometheus/ has the configuration of a Prometheus that scrapes what `make up`
// started. grafana/provisioning/ and grafana/dashboards/ are what Grafana reads;
// the dashboards are written by grafana/generate, a module of its own, which
// also tests their shape.
//
// The tests here ask what the shape cannot tell, without a Grafana: that every
// expression parses; that each metric and label in it is one that a node
// exports, of the kind that the function around it needs; and, with a real
// Prometheus that scrapes a real cluster whose leaders are killed and
// restarted, that every panel has something to show.
package deploy
