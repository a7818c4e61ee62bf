//go:build !mutants

package kv

import "whitewater/pkg/raft/sim"

const simulationCommand = "go test ./pkg/kv -run '^TestSimulation$' -v"

func simulatedOptions() sim.Options { return sim.Options{Service: simulated{}} }
