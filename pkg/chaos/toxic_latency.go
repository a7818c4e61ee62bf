package chaos

import (
	"errors"
	"math/rand/v2"
	"time"
)

// latency delays each chunk by Latency ± Jitter ms since its receipt and keeps their order.
type latency struct {
	Latency int64 `json:"latency"`
	Jitter  int64 `json:"jitter"`
}

func (a *latency) validate() error {
	return errors.Join(atLeastZero("latency", a.Latency), atLeastZero("jitter", a.Jitter))
}

func (a *latency) stage(_ time.Time, t *toxic, at site) stage {
	return &latencyStage{attributes: *a, rng: at.rng(t)}
}

type latencyStage struct {
	queue
	attributes latency
	rng        *rand.Rand
	units      []float64 // per chunk held, its jitter in [-1, 1)
}

func (s *latencyStage) set(_ time.Time, a attributes) { s.attributes = *a.(*latency) }

func (s *latencyStage) push(_ time.Time, c chunk) {
	s.put(c)
	s.units = append(s.units, 2*s.rng.Float64()-1)
}

func (s *latencyStage) pop(now time.Time) (chunk, bool, time.Time) {
	if len(s.chunks) == 0 {
		return chunk{}, false, time.Time{}
	}
	jitter := time.Duration(s.units[0] * float64(milliseconds(s.attributes.Jitter)))
	due := s.chunks[0].received.Add(milliseconds(s.attributes.Latency) + jitter)
	if due.After(now) {
		return chunk{}, false, due
	}
	s.units = s.units[1:]
	return s.take(), true, time.Time{}
}

func (s *latencyStage) drain() []chunk {
	s.units = nil
	return s.queue.drain()
}
