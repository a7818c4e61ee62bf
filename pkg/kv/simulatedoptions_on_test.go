//go:build mutants

package kv

import (
	"flag"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/sim"
)

var simMutant = flag.String("sim.mutant", "", "break this `rule`")

const simulationCommand = "go test -tags mutants ./pkg/kv -run '^TestSimulation$' -v"

func simulatedOptions() sim.Options { return mutated(*simMutant) }

// mutated is a cluster that breaks a rule; the empty name breaks none.
func mutated(name string) sim.Options {
	m := protocol.Mutation{Name: name}
	return sim.Options{Service: simulated{m}, Mutation: m}
}
