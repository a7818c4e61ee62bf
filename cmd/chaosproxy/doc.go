// Command chaosproxy is a TCP fault proxy with a control API in Toxiproxy's shape; see docs/chaosproxy.md.
//
// It prints one line, "ready api=HOST:PORT", once the control API and every link of its config file
// listen. SIGTERM and SIGINT end it. Exit codes: 0 ended as asked, 1 failed while running, 3 bad flags,
// a bad config file, or a port that cannot be had.
package main
