package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Kind is a frame's first element.
type Kind uint8

// The kinds of the MessagePack-RPC specification.
const (
	Request      Kind = 0
	Response     Kind = 1
	Notification Kind = 2
)

func (k Kind) String() string {
	switch k {
	case Request:
		return "request"
	case Response:
		return "response"
	case Notification:
		return "notification"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Frame is one MessagePack-RPC message whose body has not been decoded.
// Its slices alias Raw.
type Frame struct {
	Kind     Kind
	ID       uint32 // requests and responses
	Method   string // requests and notifications
	IDOffset int    // the id is Raw[IDOffset:IDOffset+IDLen]
	IDLen    int
	Body     []byte // request: the single argument; response: the result; notification: the argument array
	Err      []byte // response: the error, c0 for none
	Raw      []byte // the whole frame
}

// Failed reports whether f is a response that carries an error.
func (f Frame) Failed() bool { return f.Kind == Response && !isNil(f.Err) }

func isNil(value []byte) bool { return len(value) == 1 && value[0] == 0xc0 }

// ParseFrame takes apart raw, which is exactly one frame. It knows no limits: raw is in memory already.
// Errors wrap ErrMalformed.
func ParseFrame(raw []byte) (Frame, error) {
	if err := checkHead(raw); err != nil {
		return Frame{}, err
	}
	value, rest, ok := cutValue(raw)
	if !ok || len(rest) != 0 {
		return Frame{}, malformed(len(value), "these bytes are not exactly one frame")
	}
	f, method, err := splitFrame(raw)
	f.Method = string(method)
	return f, err
}

// splitFrame takes apart raw, one whole array that checkHead has passed. It leaves the copying
// of the method's name to the caller.
func splitFrame(raw []byte) (f Frame, method []byte, err error) {
	var parts [4][]byte
	rest := raw[1:]
	last := int(raw[0]&0x0f) - 1
	for i := range last {
		parts[i], rest, _ = cutValue(rest)
	}
	parts[last] = rest // walked over already, and maybe long
	f = Frame{Kind: Kind(parts[0][0]), Raw: raw}
	if f.Kind == Notification {
		f.Body = parts[2]
		method, err = methodName(parts[1], 2)
		return f, method, err
	}
	id, ok := Uint(parts[1])
	if !ok || id > math.MaxUint32 {
		return Frame{}, nil, malformed(2, "the id is no integer from 0 to 4294967295")
	}
	f.ID, f.IDOffset, f.IDLen = uint32(id), 2, len(parts[1])
	after := f.IDOffset + f.IDLen
	if f.Kind == Response {
		f.Err, f.Body = parts[2], parts[3]
		return f, nil, nil
	}
	if method, err = methodName(parts[2], after); err != nil {
		return Frame{}, nil, err
	}
	if n, ok := ArrayLen(parts[3]); !ok || n != 1 {
		return Frame{}, nil, malformed(after+len(parts[2]), "the arguments are not an array of exactly one")
	}
	head, _, _, _ := descriptor(parts[3])
	f.Body = parts[3][head:]
	return f, method, nil
}

func methodName(value []byte, offset int) ([]byte, error) {
	name, ok := text(value)
	if !ok {
		return nil, malformed(offset, "the method is no string")
	}
	if len(name) == 0 || len(name) > maxMethodBytes {
		return nil, malformed(offset, fmt.Sprintf("the method's name has %d bytes, not 1 to %d", len(name), maxMethodBytes))
	}
	return name, nil
}

// checkHead looks at the first two bytes as soon as they are there, so that what was
// never meant for us (HTTP, TLS, noise) is refused at its first byte.
func checkHead(b []byte) error {
	switch {
	case len(b) == 0:
		return nil
	case b[0] != 0x94 && b[0] != 0x93:
		return malformed(0, fmt.Sprintf("no frame begins with 0x%02x", b[0]))
	case len(b) == 1, b[0] == 0x94 && b[1] <= byte(Response), b[0] == 0x93 && b[1] == byte(Notification):
		return nil
	}
	return malformed(1, fmt.Sprintf("0x%02x is no kind of message with %d elements", b[1], b[0]&0x0f))
}

// AppendWithID appends f with its id replaced to dst. f is a request or a response.
func AppendWithID(dst []byte, f Frame, id uint32) []byte {
	dst = append(dst, f.Raw[:f.IDOffset]...)
	dst = appendUint(dst, id)
	return append(dst, f.Raw[f.IDOffset+f.IDLen:]...)
}

// AppendErrorResponse appends a whole response frame with the error text to dst. For text as
// this package's clients understand it, see Error.
func AppendErrorResponse(dst []byte, id uint32, text string) []byte {
	dst = appendResponseHead(dst, id)
	dst = appendString(dst, text)
	return append(dst, 0xc0)
}

func appendResponseHead(dst []byte, id uint32) []byte {
	return appendUint(append(dst, 0x94, byte(Response)), id)
}

func appendRequestHead(dst []byte, id uint32, method string) []byte {
	dst = appendUint(append(dst, 0x94, byte(Request)), id)
	return append(appendString(dst, method), 0x91)
}

// appendUint writes the shortest unsigned form.
func appendUint(dst []byte, n uint32) []byte {
	switch {
	case n <= 0x7f:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xce), n)
}

// appendString writes the shortest string form.
func appendString(dst []byte, s string) []byte {
	switch n := len(s); {
	case n <= 31:
		dst = append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, 0xd9, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n))
	}
	return append(dst, s...)
}
