package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// upState is the file by which harness down finds what harness up started.
type upState struct {
	Pid     int      `json:"pid"`
	Started string   `json:"started"` // of the process, in the kernel's ticks: tells a reused pid apart
	Cluster string   `json:"cluster"`
	Nodes   []upNode `json:"nodes"`
	Proxy   string   `json:"proxy"`   // its API
	Metrics string   `json:"metrics"` // the harness' own
}

// upNode is where one node is reached.
type upNode struct {
	ID   string `json:"id"`
	HTTP string `json:"http"`
	RPC  string `json:"rpc"`
}

func statePath(dir string) string   { return filepath.Join(dir, "state.json") }
func targetsPath(dir string) string { return filepath.Join(dir, "targets.json") }

// readState returns what stands in the state file, and whether that process still runs.
func readState(dir string) (upState, bool, error) {
	var s upState
	text, err := os.ReadFile(statePath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, usage("--dir %s: %w: name a folder that can be read", dir, err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, false, usage("%s is no state of harness up (%v): remove it", statePath(dir), err)
	}
	started, err := processStart(s.Pid)
	return s, err == nil && started == s.Started, nil
}

// processStart is when a process started, in ticks since the machine did.
func processStart(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The command's name stands in brackets and may hold spaces; the 20th field behind it is the start.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has %d fields behind the name, want 20 or more", pid, len(fields))
	}
	if fields[0] == "Z" {
		return "", errors.New("ended, and not yet reaped")
	}
	return fields[19], nil
}

// writeJSON replaces a file as a whole: Prometheus may be reading it.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// target is a group of Prometheus' file_sd.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// targets are all processes to scrape, each under its job.
func (s upState) targets() []target {
	group := func(address, job, node string) target {
		labels := map[string]string{"job": job, "cluster": s.Cluster}
		if node != "" {
			labels["node"] = node
		}
		return target{Targets: []string{strings.TrimPrefix(address, "http://")}, Labels: labels}
	}
	var all []target
	for _, n := range s.Nodes {
		all = append(all, group(n.HTTP, "raft", n.ID))
	}
	return append(all, group(s.Proxy, "chaosproxy", ""), group(s.Metrics, "harness", ""))
}
