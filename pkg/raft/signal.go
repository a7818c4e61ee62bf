package raft

// signal wakes one reader. It has capacity one and coalesces: however often it is raised before the
// reader looks, the reader wakes once (lab note 19).
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

// raise never blocks.
func (s signal) raise() {
	select {
	case s <- struct{}{}:
	default:
	}
}
