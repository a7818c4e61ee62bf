package chaos

import "time"

// timeout swallows everything and closes the connection once nothing has come for Timeout ms; 0 = never. Removing it
// closes the connections that lost something to it and leaves the others in place.
type timeout struct {
	Timeout int64 `json:"timeout"`
}

func (a *timeout) validate() error { return atLeastZero("timeout", a.Timeout) }

func (a *timeout) stage(now time.Time, _ *toxic, _ site) stage {
	return &timeoutStage{after: milliseconds(a.Timeout), silent: now}
}

type timeoutStage struct {
	after  time.Duration
	silent time.Time // since when
	lost   bool
}

func (s *timeoutStage) set(_ time.Time, a attributes) {
	s.after = milliseconds(a.(*timeout).Timeout)
}

func (s *timeoutStage) push(now time.Time, c chunk) {
	s.silent, s.lost = now, true
}

func (s *timeoutStage) pop(now time.Time) (chunk, bool, time.Time) {
	if s.after == 0 {
		return chunk{}, false, time.Time{}
	}
	due := s.silent.Add(s.after)
	if due.After(now) {
		return chunk{}, false, due
	}
	return chunk{end: endClose}, true, time.Time{}
}

func (s *timeoutStage) drain() []chunk {
	if s.lost {
		return []chunk{{end: endClose}}
	}
	return nil
}

func (s *timeoutStage) held() int { return 0 }
