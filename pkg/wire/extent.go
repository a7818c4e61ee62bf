package wire

import (
	"encoding/binary"
	"fmt"
)

// extent finds the end of one MessagePack value without decoding it. It counts the values still
// expected: each takes one off, an array of n adds n, a map of n adds 2n, and the value
// ends at zero. It remembers how far it came, so a value may arrive in pieces.
type extent struct {
	pos    int64 // end of the last value walked over; beyond the bytes at hand while a payload is missing
	open   int64 // values still expected
	values int64 // values walked over
}

func newExtent() extent { return extent{open: 1} }

// walk goes on over b, which holds the value from its first byte. It reports whether
// the whole value is in b: then it is b[:e.pos].
func (e *extent) walk(b []byte, limits Limits) (bool, error) {
	for e.open > 0 {
		if e.pos >= int64(len(b)) {
			return false, nil
		}
		head, children, payload, ok := descriptor(b[e.pos:])
		if !ok {
			return false, &FrameError{Offset: e.pos, Reason: "no MessagePack value begins here", Err: ErrMalformed}
		}
		if head == 0 {
			return false, nil
		}
		start := e.pos
		e.values++
		e.open += children - 1
		e.pos += head + payload
		// Every value still expected has at least one byte.
		if e.pos+e.open > int64(limits.MaxFrameBytes) {
			return false, &FrameError{Offset: start, Reason: fmt.Sprintf("it needs more than %d bytes", limits.MaxFrameBytes), Err: ErrFrameTooLarge}
		}
		if e.values+e.open > int64(limits.MaxValues) {
			return false, &FrameError{Offset: start, Reason: fmt.Sprintf("it holds more than %d values", limits.MaxValues), Err: ErrFrameTooLarge}
		}
	}
	return e.pos <= int64(len(b)), nil
}

// descriptor reads the head of the value that b begins with: the head's length, how many values
// follow inside, and how many bytes of payload. head is 0 while b is too short to tell,
// ok is false for what begins nothing: c1, and an extension without payload, behind
// which go-msgpack's decoder loses its place.
func descriptor(b []byte) (head, children, payload int64, ok bool) {
	d := b[0]
	if d-0xc0 <= 0xdf-0xc0 {
		return longDescriptor(b)
	}
	// Positive and negative fixint, fixmap, fixarray, fixstr.
	switch d >> 4 {
	case 8:
		children = 2 * int64(d&0x0f)
	case 9:
		children = int64(d & 0x0f)
	case 10, 11:
		payload = int64(d & 0x1f)
	}
	return 1, children, payload, true
}

// longDescriptor is descriptor for c0 to df.
func longDescriptor(b []byte) (head, children, payload int64, ok bool) {
	switch d := b[0]; d {
	case 0xc1:
		return 0, 0, 0, false
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return 1, 0, 0, true
	case 0xc4, 0xd9: // bin8, str8
		head, payload = length(b, 1)
	case 0xc5, 0xda:
		head, payload = length(b, 2)
	case 0xc6, 0xdb:
		head, payload = length(b, 4)
	case 0xc7, 0xc8, 0xc9: // ext: a type byte stands before the payload
		head, payload = length(b, 1<<(d-0xc7))
		if head > 0 && payload == 0 {
			return 0, 0, 0, false
		}
		payload++
	case 0xca, 0xce, 0xd2: // float32, uint32, int32
		return 1, 0, 4, true
	case 0xcb, 0xcf, 0xd3:
		return 1, 0, 8, true
	case 0xcc, 0xd0:
		return 1, 0, 1, true
	case 0xcd, 0xd1:
		return 1, 0, 2, true
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // fixext 1, 2, 4, 8, 16
		return 1, 0, 1 + 1<<(d-0xd4), true
	case 0xdc, 0xdd:
		head, children = length(b, 2<<(d-0xdc))
	default: // de, df
		head, children = length(b, 2<<(d-0xde))
		children *= 2
	}
	if head == 0 {
		return 0, 0, 0, true
	}
	return head, children, payload, true
}

// length reads the big-endian length of size bytes behind b's first byte.
// head is 0 while b is too short.
func length(b []byte, size int) (head, n int64) {
	if len(b) < 1+size {
		return 0, 0
	}
	switch size {
	case 1:
		n = int64(b[1])
	case 2:
		n = int64(binary.BigEndian.Uint16(b[1:]))
	default:
		n = int64(binary.BigEndian.Uint32(b[1:]))
	}
	return int64(1 + size), n
}
