package load

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// step is what a client does next: a kind and a key.
type step struct {
	kind Kind
	key  string
}

// generator draws a client's steps. Two generators with the same options and number draw the same steps,
// whatever other clients do.
//
// Keys come in two sorts: registers (r…) are put, compared-and-set and deleted; append-only keys (a…) are
// appended to alone, so that each token can be counted. Both retire by the client's own count of
// steps: key r7.2 is the third register in slot 7.
type generator struct {
	rand  *rand.Rand
	kinds []Kind // weighted: kind i has weights[i]
	upTo  []int  // running sums of the weights
	keys  int
	life  int     // steps of this client until all keys are fresh ones
	share float64 // of reads that go to append-only keys

	steps    int
	register string // the register stepped on last: where this client knows the revision best
}

func newGenerator(o Options, client int) *generator {
	g := &generator{
		rand: clientRand(o.Seed, client, "steps"),
		keys: o.Keys,
		life: max(1, o.OpsPerKey*o.Keys/o.Clients),
	}
	sum := 0
	for _, kind := range Kinds() {
		if weight := o.Mix[kind]; weight > 0 {
			sum += weight
			g.kinds = append(g.kinds, kind)
			g.upTo = append(g.upTo, sum)
		}
	}
	if writes := sum - o.Mix[Get]; writes > 0 {
		g.share = float64(o.Mix[Append]) / float64(writes)
	}
	return g
}

// next draws the next step; readsOnly replaces its kind, not the draw, by a read.
func (g *generator) next(readsOnly bool) step {
	kind := g.kind()
	slot, coin := g.rand.IntN(g.keys), g.rand.Float64()
	generation := g.steps / g.life
	g.steps++
	if kind == Append || kind == Get && coin < g.share {
		return step{kind: readOr(kind, readsOnly), key: fmt.Sprintf("a%d.%d", slot, generation)}
	}
	key := fmt.Sprintf("r%d.%d", slot, generation)
	if kind == CAS && g.register != "" {
		key = g.register
	}
	g.register = key
	return step{kind: readOr(kind, readsOnly), key: key}
}

func readOr(kind Kind, readsOnly bool) Kind {
	if readsOnly {
		return Get
	}
	return kind
}

func (g *generator) kind() Kind {
	draw := g.rand.IntN(g.upTo[len(g.upTo)-1])
	for i, upTo := range g.upTo {
		if draw < upTo {
			return g.kinds[i]
		}
	}
	panic("load: a draw beyond the sum of the weights")
}

// clientRand is a source of its own for each (seed, client, purpose).
func clientRand(seed uint64, client int, purpose string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%d/%s", seed, client, purpose)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
