package chaos

import "time"

// bandwidth lets Rate KB/s (1000 bytes each) through, in slices of at most 100 ms. Rate 0 lets nothing through.
type bandwidth struct {
	Rate int64 `json:"rate"`
}

func (a *bandwidth) validate() error { return atLeastZero("rate", a.Rate) }

func (a *bandwidth) stage(now time.Time, _ *toxic, _ site) stage {
	return &bandwidthStage{rate: a.bytesPerSecond(), free: now}
}

// bytesPerSecond is bounded so that no product overflows.
func (a *bandwidth) bytesPerSecond() int64 { return 1000 * min(a.Rate, 1e12) }

const bandwidthSlice = 100 * time.Millisecond

type bandwidthStage struct {
	queue
	rate int64     // bytes per second
	free time.Time // when the line has carried all that was let through
}

func (s *bandwidthStage) set(now time.Time, a attributes) {
	s.rate, s.free = a.(*bandwidth).bytesPerSecond(), now
}

func (s *bandwidthStage) push(now time.Time, c chunk) {
	if len(s.chunks) == 0 && s.free.Before(now) {
		s.free = now // an idle line saves nothing up
	}
	s.put(c)
}

// pop lets a slice out once the line has had the time to carry it.
func (s *bandwidthStage) pop(now time.Time) (chunk, bool, time.Time) {
	if len(s.chunks) == 0 || s.rate == 0 {
		return chunk{}, false, time.Time{}
	}
	head := &s.chunks[0]
	size := min(int64(len(head.data)), max(1, s.rate*int64(bandwidthSlice)/int64(time.Second)))
	carried := s.free.Add(time.Duration(float64(size) / float64(s.rate) * float64(time.Second)))
	if carried.After(now) {
		return chunk{}, false, carried
	}
	s.free = carried
	if size == int64(len(head.data)) {
		return s.take(), true, time.Time{}
	}
	slice := *head
	slice.data = head.data[:size:size]
	head.data, head.begins = head.data[size:], false
	s.bytes -= int(size)
	return slice, true, time.Time{}
}
