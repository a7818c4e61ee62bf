package wire

import (
	"errors"
	"fmt"
)

var (
	// ErrFrameTooLarge is returned when a frame is over a limit: by a Scanner for one that arrives, by
	// Client.Call for a request or its reply. The caller should send or ask for less at a time.
	ErrFrameTooLarge = errors.New("frame too large")
	// ErrMalformed is returned when bytes are no MessagePack-RPC, or do not fit the type that they are
	// for. The connection that brought them is closed.
	ErrMalformed = errors.New("malformed frame")
	// ErrUnencodable is returned by Client.Call when its arguments, or the reply of the method it
	// called, have no MessagePack form. Nothing was closed.
	ErrUnencodable = errors.New("value cannot be encoded")
	// ErrUnknownMethod is returned by Client.Call when the server knows no such method.
	ErrUnknownMethod = errors.New("unknown method")
	// ErrRemote is returned by Client.Call when the method failed with an error that has no row of
	// its own in the server's Codes.
	ErrRemote = errors.New("remote error")
	// ErrUnreachable is returned by Client.Call when no byte of the request was sent: the peer could not be
	// dialled, or not again yet. The caller may call again at once; the Client paces its dials.
	ErrUnreachable = errors.New("peer unreachable")
	// ErrConnectionClosed is returned by Client.Call when the connection ended before the reply
	// came. Whether the call took effect is unknown.
	ErrConnectionClosed = errors.New("connection closed")
	// ErrOverloaded is returned by Client.Call when ClientOptions.MaxPending calls are outstanding.
	ErrOverloaded = errors.New("too many calls outstanding")
	// ErrClientClosed is returned by Client.Call after Client.Close.
	ErrClientClosed = errors.New("client closed")
	// ErrServerClosed is returned by Server.Serve after Server.Shutdown or Server.Close.
	ErrServerClosed = errors.New("server closed")
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
