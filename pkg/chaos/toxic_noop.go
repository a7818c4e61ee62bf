package chaos

import "time"

// noop passes everything on: Toxiproxy's, of use to test clients with.
type noop struct{}

func (*noop) validate() error { return nil }

func (*noop) stage(time.Time, *toxic, site) stage { return &noopStage{} }

type noopStage struct{ queue }

func (s *noopStage) set(time.Time, attributes) {}

func (s *noopStage) push(_ time.Time, c chunk) { s.put(c) }

func (s *noopStage) pop(time.Time) (chunk, bool, time.Time) {
	if len(s.chunks) == 0 {
		return chunk{}, false, time.Time{}
	}
	return s.take(), true, time.Time{}
}
