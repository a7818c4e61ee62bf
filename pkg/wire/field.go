package wire

import (
	"encoding/binary"
	"math"
)

// Field returns the value under name in body, which is a map, undecoded and aliasing body.
// The first of several equal names wins. It looks at no nested map.
func Field(body []byte, name string) (value []byte, ok bool) {
	n, rest, ok := mapHeader(body)
	for ; ok && n > 0; n-- {
		var key []byte
		if key, rest, ok = cutValue(rest); !ok {
			break
		}
		if value, rest, ok = cutValue(rest); !ok {
			break
		}
		if s, isText := text(key); isText && string(s) == name {
			return value, true
		}
	}
	return nil, false
}

// ArrayLen returns how many elements value, an array, says it has; nil has none.
func ArrayLen(value []byte) (n int, ok bool) {
	if len(value) == 1 && value[0] == 0xc0 {
		return 0, true
	}
	if len(value) == 0 || value[0]&0xf0 != 0x90 && value[0] != 0xdc && value[0] != 0xdd {
		return 0, false
	}
	head, children, _, _ := descriptor(value)
	return int(children), head > 0
}

// Uint returns value if it is an integer that is not negative, in whichever of
// MessagePack's forms it was written.
func Uint(value []byte) (uint64, bool) {
	if len(value) == 0 {
		return 0, false
	}
	d, b := value[0], value[1:]
	switch {
	case d <= 0x7f:
		return uint64(d), len(b) == 0
	case (d == 0xcc || d == 0xd0 && b0(b) <= math.MaxInt8) && len(b) == 1:
		return uint64(b[0]), true
	case (d == 0xcd || d == 0xd1 && b0(b) <= math.MaxInt8) && len(b) == 2:
		return uint64(binary.BigEndian.Uint16(b)), true
	case (d == 0xce || d == 0xd2 && b0(b) <= math.MaxInt8) && len(b) == 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	case (d == 0xcf || d == 0xd3 && b0(b) <= math.MaxInt8) && len(b) == 8:
		return binary.BigEndian.Uint64(b), true
	}
	return 0, false
}

// b0 is the byte that holds a signed integer's sign, or one that has it set.
func b0(b []byte) byte {
	if len(b) == 0 {
		return math.MaxUint8
	}
	return b[0]
}

// String returns value if it is a string.
func String(value []byte) (string, bool) {
	s, ok := text(value)
	return string(s), ok
}

// text is String without the copy.
func text(value []byte) ([]byte, bool) {
	if len(value) == 0 {
		return nil, false
	}
	switch d := value[0]; {
	case d&0xe0 == 0xa0, d == 0xd9, d == 0xda, d == 0xdb:
	default:
		return nil, false
	}
	head, _, payload, _ := descriptor(value)
	if head == 0 || int64(len(value)) != head+payload {
		return nil, false
	}
	return value[head:], true
}

// mapHeader cuts the head off a map of n pairs.
func mapHeader(b []byte) (n int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0]&0xf0 != 0x80 && b[0] != 0xde && b[0] != 0xdf {
		return 0, nil, false
	}
	head, children, _, _ := descriptor(b)
	if head == 0 {
		return 0, nil, false
	}
	return children / 2, b[head:], true
}

// cutValue cuts one whole value off the front of b.
func cutValue(b []byte) (value, rest []byte, ok bool) {
	e := newExtent()
	held := Limits{MaxFrameBytes: len(b), MaxValues: len(b)} // no limit: these bytes are in memory already
	if done, err := e.walk(b, held); err != nil || !done {
		return nil, nil, false
	}
	return b[:e.pos:e.pos], b[e.pos:], true
}
