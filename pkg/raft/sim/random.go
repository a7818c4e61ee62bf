package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// stream is a source of its own for one purpose, so that what one link, disk or node draws depends on no other.
func stream(seed uint64, purpose string, number uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()^number*0x9e3779b97f4a7c15))
}

// upTo draws a time up to most.
func upTo(r *rand.Rand, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(r.Int64N(int64(most) + 1))
}

// between draws a time from least to most.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + upTo(r, most-least)
}

// one draws one of the values.
func one[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// digest gathers what happened into one number.
type digest uint64

func (d *digest) add(values ...uint64) {
	h := uint64(*d)
	for _, v := range values {
		h ^= v
		h *= 0x9fb21c651e98df25
		h ^= h >> 32
	}
	*d = digest(h)
}
