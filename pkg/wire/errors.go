package wire

import (
	"errors"
	"fmt"
)

var (
	// ErrFrameTooLarge is returned when a frame is over a limit: by a Scanner for one that arrives, by
	// Client.Call for a request that would be. The caller should send less at a time.
	ErrFrameTooLarge = errors.New("frame too large")
	// ErrMalformed is returned when bytes are no MessagePack-RPC, or do not fit the type that they are
	// for. The connection that brought them is closed.
	ErrMalformed = errors.New("malformed frame")
)

// FrameError says where in a frame, counted in bytes from its first, and why it was refused.
type FrameError struct {
	Offset int64
	Reason string
	Err    error // ErrFrameTooLarge or ErrMalformed
}

func (e *FrameError) Error() string {
	return fmt.Sprintf("%v: at byte %d: %s", e.Err, e.Offset, e.Reason)
}

// Unwrap returns the sentinel.
func (e *FrameError) Unwrap() error { return e.Err }

func malformed(offset int, reason string) *FrameError {
	return &FrameError{Offset: int64(offset), Reason: reason, Err: ErrMalformed}
}
