package sim

import (
	"fmt"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// Replay runs a plan again and shows it: the plan, what broke, and the space-time diagram of how that came about.
func Replay(o Options, plan Plan) string {
	var steps []Step
	o.Trace = func(s Step) { steps = append(steps, s) }
	report := Run(o, plan)
	var nodes []protocol.NodeID
	for i := range plan.Nodes + plan.Spares {
		nodes = append(nodes, nodeID(i))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", plan)
	if f := report.Failure; f != nil {
		fmt.Fprintf(&b, "\n%s broke at %v: %s\n", f.Check, f.At, f.Message)
	}
	fmt.Fprintf(&b, "\n%s", Diagram(steps, nodes))
	return b.String()
}
