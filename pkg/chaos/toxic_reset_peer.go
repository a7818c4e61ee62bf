package chaos

import "time"

// resetPeer resets the connection Timeout ms after its first chunk or end of stream, or, if it stood before
// the toxic came, after that. Until then it holds what comes.
type resetPeer struct {
	Timeout int64 `json:"timeout"`
}

func (a *resetPeer) validate() error { return atLeastZero("timeout", a.Timeout) }

func (a *resetPeer) stage(now time.Time, t *toxic, at site) stage {
	s := &resetPeerStage{after: milliseconds(a.Timeout)}
	if at.stood(t) {
		s.since = now
	}
	return s
}

type resetPeerStage struct {
	queue
	after time.Duration
	since time.Time // zero: nothing has come yet
}

func (s *resetPeerStage) set(_ time.Time, a attributes) {
	s.after = milliseconds(a.(*resetPeer).Timeout)
}

func (s *resetPeerStage) push(now time.Time, c chunk) {
	if s.since.IsZero() {
		s.since = now
	}
	s.put(c)
}

func (s *resetPeerStage) pop(now time.Time) (chunk, bool, time.Time) {
	if s.since.IsZero() {
		return chunk{}, false, time.Time{}
	}
	due := s.since.Add(s.after)
	if !due.After(now) {
		return chunk{end: endReset}, true, time.Time{}
	}
	return chunk{}, false, due
}
