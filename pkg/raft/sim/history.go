package sim

import (
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what all clients asked and were told, for one judgement at the end.
type history struct{ operations []porcupine.Operation }

type outcome struct {
	answer Outcome
	value  content // of Get
	known  bool    // false: the client never learnt it
}

func (h *history) ended(c *client, op Operation, got reply) {
	h.operations = append(h.operations, porcupine.Operation{
		ClientId: c.index, Input: op, Output: outcome{got.answer.Outcome, contentOf(got.value), true},
		Call: int64(c.began), Return: int64(c.r.now),
	})
}

// judge looks for an order of all operations that explains every answer.
func (r *run) judge() {
	operations := r.history.operations
	for _, c := range r.clients {
		if c.op != nil && c.op.Kind != Open && c.op.Kind != Get {
			operations = append(operations, porcupine.Operation{
				ClientId: c.index, Input: *c.op, Output: outcome{}, Call: int64(c.began), Return: int64(1) << 62,
			})
		}
	}
	switch porcupine.CheckOperationsTimeout(register, operations, judgeLimit) {
	case porcupine.Illegal:
		r.broken(Linearizable, "no order of the operations explains what clients were told: %s", r.unexplained(operations))
	case porcupine.Unknown:
		r.counts["undecided"]++
	}
}

// judgeLimit is wall-clock time: a judgement that takes longer is counted as undecided.
const judgeLimit = 20 * time.Second

// unexplained names the keys that have no order.
func (r *run) unexplained(operations []porcupine.Operation) string {
	var keys []string
	for _, part := range register.Partition(operations) {
		if porcupine.CheckOperationsTimeout(register, part, judgeLimit) == porcupine.Illegal {
			keys = append(keys, part[0].Input.(Operation).Key)
		}
	}
	return "key " + strings.Join(keys, ", ")
}

// content stands for a key's value while an order is looked for: a hash of it, since the search compares states far more
// often than it makes any. 0: the key is absent.
type content uint64

const empty content = 14695981039346656037 // FNV-1a's offset basis: of no bytes at all

func (c content) with(data string) content {
	if c == 0 {
		c = empty
	}
	for i := range len(data) {
		c = (c ^ content(data[i])) * 1099511628211
	}
	return c
}

func contentOf(v Value) content {
	if !v.Present {
		return 0
	}
	return empty.with(v.Data)
}

// register is what the service is, one key at a time.
var register = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		var parts [][]porcupine.Operation
		of := map[string]int{}
		for _, op := range all {
			key := op.Input.(Operation).Key
			i, ok := of[key]
			if !ok {
				i = len(parts)
				of[key], parts = i, append(parts, nil)
			}
			parts[i] = append(parts[i], op)
		}
		return parts
	},
	Init: func() any { return content(0) },
	Step: func(state, input, output any) (bool, any) {
		before, op, out := state.(content), input.(Operation), output.(outcome)
		after, said := before, Done
		switch op.Kind {
		case Put:
			after = empty.with(op.Value)
		case Append:
			after = before.with(op.Value)
		case Delete:
			after = 0
		case Create:
			if said = NotFound; before == 0 {
				after, said = empty.with(op.Value), Done
			}
		case Get:
			return out.value == before, before
		}
		return !out.known || out.answer == said, after
	},
}
