package wire

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// headRoom is left free before a body, so that a frame's head can be put there once its id is known:
// two bytes, an id of five, a method with its own head of two, and the argument array's.
const headRoom = 2 + 5 + 2 + maxMethodBytes + 1

// frameValues is how many values stand around a request's body; a response has as many or fewer.
const frameValues = 5

// newHandle describes our dialect. A length is never believed before the scanner has seen that many bytes or
// values, so collections may be made at once at their full length (MaxInitLen).
func newHandle(limits Limits) *codec.MsgpackHandle {
	h := new(codec.MsgpackHandle)
	h.WriteExt = true
	h.MaxInitLen = limits.MaxFrameBytes
	return h
}

// encoder encodes one value at a time into a buffer that it keeps. It serves one goroutine.
type encoder struct {
	enc    *codec.Encoder
	limits Limits
	buf    []byte // headRoom, then the body
}

func newEncoder(h *codec.MsgpackHandle, limits Limits) *encoder {
	return &encoder{enc: codec.NewEncoderBytes(new([]byte), h), limits: limits, buf: make([]byte, 1<<10)}
}

// encode encodes v and checks the body against the limits that the peer's scanner has too. Errors wrap
// ErrUnencodable or ErrFrameTooLarge, and then nothing is to be sent.
func (e *encoder) encode(v any) error {
	e.buf = e.buf[:headRoom]
	body := e.buf[headRoom:]
	e.enc.ResetBytes(&body)
	if err := e.enc.Encode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrUnencodable, err)
	}
	if n := headRoom + len(body); n <= cap(e.buf) {
		e.buf = e.buf[:n]
	} else { // the encoder has moved it
		e.buf = make([]byte, n, headRoom+cap(body))
	}
	copy(e.buf[headRoom:], body)
	x := newExtent()
	_, err := x.walk(body, Limits{MaxFrameBytes: e.limits.MaxFrameBytes - headRoom, MaxValues: e.limits.MaxValues - frameValues})
	return err
}

// frame puts head before the body that encode left, and returns both as one piece.
func (e *encoder) frame(head []byte) []byte {
	start := headRoom - len(head)
	copy(e.buf[start:], head)
	return e.buf[start:]
}

// decoder decodes whole values. It serves one goroutine.
type decoder struct{ dec *codec.Decoder }

func newDecoder(h *codec.MsgpackHandle) decoder {
	return decoder{codec.NewDecoderBytes([]byte{0xc0}, h)}
}

// decode decodes body, exactly one value, into what v points to, which is zeroed first: the decoder would
// merge. Nothing in v aliases body afterwards. Errors wrap ErrMalformed.
func (d decoder) decode(body []byte, v any) error {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && !p.IsNil() {
		p.Elem().SetZero()
	}
	d.dec.ResetBytes(body)
	if err := d.dec.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if n := d.dec.NumBytesRead(); n != len(body) {
		return fmt.Errorf("%w: %T ends after %d of %d bytes", ErrMalformed, v, n, len(body))
	}
	return nil
}
