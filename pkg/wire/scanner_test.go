package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	requestHex  = "94 00 00 ab 526166742e417070656e64 91 84 a7 456e7472696573 91 83 a4 44617461 c4 02 00ff a5 496e646578 cd 012c a4 5465726d 06 a6 4c6561646572 a2 6e31 a4 5465726d 07 a4 5768656e d7 ff 00000014 3b9aca00"
	responseHex = "94 01 cd 0102 c0 83 a1 4e 02 a2 4f4b c3 a4 5465726d 07"
	errorHex    = "94 01 01 aa 6e6f74206c6561646572 c0"
	notifyHex   = "93 02 a1 78 90"
)

func TestScanner_CutsFramesHoweverTheyArrive(t *testing.T) {
	frames := [][]byte{unhex(t, requestHex), unhex(t, responseHex), unhex(t, errorHex), unhex(t, notifyHex)}
	stream := bytes.Join(frames, nil)
	for name, r := range map[string]io.Reader{
		"whole":         bytes.NewReader(stream),
		"byte by byte":  iotest.OneByteReader(bytes.NewReader(stream)),
		"EOF with data": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			s := NewScanner(r, Limits{})
			for i, want := range frames {
				f, err := s.Next()
				if err != nil || !bytes.Equal(f.Raw, want) {
					t.Fatalf("frame %d: %x, %v; want %x", i, f.Raw, err, want)
				}
			}
			if f, err := s.Next(); !errors.Is(err, io.EOF) {
				t.Fatalf("after the last frame: %v, %v", f, err)
			}
		})
	}
}

func TestParseFrame_Request(t *testing.T) {
	f, err := ParseFrame(unhex(t, requestHex))
	if err != nil {
		t.Fatal(err)
	}
	if f.Kind != Request || f.ID != 0 || f.Method != "Raft.Append" || f.IDOffset != 2 || f.IDLen != 1 || f.Body[0] != 0x84 {
		t.Errorf("%+v", f)
	}
	entries, ok := Field(f.Body, "Entries")
	if n, isArray := ArrayLen(entries); !ok || !isArray || n != 1 {
		t.Errorf("Entries = %x, length %d", entries, n)
	}
	term, _ := Field(f.Body, "Term")
	if n, ok := Uint(term); !ok || n != 7 {
		t.Errorf("Term = %x: the top-level one is 7, the entry's 6", term)
	}
	leader, _ := Field(f.Body, "Leader")
	if s, ok := String(leader); !ok || s != "n1" {
		t.Errorf("Leader = %x", leader)
	}
	if _, ok := Field(f.Body, "Data"); ok {
		t.Error("Data is nested and was found")
	}
}

func TestParseFrame_Response(t *testing.T) {
	f, err := ParseFrame(unhex(t, responseHex))
	if err != nil || f.Kind != Response || f.ID != 0x102 || f.IDLen != 3 || f.Failed() || f.Body[0] != 0x83 {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = ParseFrame(unhex(t, errorHex))
	if text, _ := String(f.Err); err != nil || !f.Failed() || text != "not leader" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestScanner_Refuses(t *testing.T) {
	for name, test := range map[string]struct {
		bytes  []byte
		want   error
		offset int64
	}{
		"HTTP at its first byte":  {[]byte("G"), ErrMalformed, 0},
		"TLS at its first byte":   {[]byte{0x16}, ErrMalformed, 0},
		"a long array header":     {unhex(t, "dc0004"), ErrMalformed, 0},
		"an unknown kind":         {unhex(t, "9403"), ErrMalformed, 1},
		"a notification of four":  {unhex(t, "9402"), ErrMalformed, 1},
		"a request of three":      {unhex(t, "9300"), ErrMalformed, 1},
		"c1":                      {unhex(t, "9400c1"), ErrMalformed, 2},
		"an id that is text":      {unhex(t, "9400a178 a178 9101"), ErrMalformed, 2},
		"a negative id":           {unhex(t, "9400ff a178 9101"), ErrMalformed, 2},
		"an id of 33 bits":        {unhex(t, "9400cf0000000100000000 a178 9101"), ErrMalformed, 2},
		"a method that is bytes":  {unhex(t, "940000 c40178 9101"), ErrMalformed, 3},
		"a method without name":   {unhex(t, "940000 a0 9101"), ErrMalformed, 3},
		"no argument":             {unhex(t, "940000 a178 90"), ErrMalformed, 5},
		"two arguments":           {unhex(t, "940000 a178 920102"), ErrMalformed, 5},
		"nil instead of a list":   {unhex(t, "940000 a178 c0"), ErrMalformed, 5},
		"a map instead of a list": {unhex(t, "940000 a178 810102"), ErrMalformed, 5},
		"4 GiB of text":           {unhex(t, "940000 a178 91 db ffffffff"), ErrFrameTooLarge, 6},
		"4 GiB of extension":      {unhex(t, "940000 a178 91 c9 ffffffff"), ErrFrameTooLarge, 6},
		"4 Gi of array":           {unhex(t, "940000 a178 91 dd ffffffff"), ErrFrameTooLarge, 6},
		"4 Gi of map":             {unhex(t, "940000 a178 91 df ffffffff"), ErrFrameTooLarge, 6},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewScanner(io.MultiReader(bytes.NewReader(test.bytes), blocked{t}), Limits{})
			f, err := s.Next()
			frameErr, ok := errors.AsType[*FrameError](err)
			if !errors.Is(err, test.want) || !ok || frameErr.Offset != test.offset {
				t.Fatalf("%v, %v; want %v at byte %d", f, err, test.want, test.offset)
			}
			if _, again := s.Next(); again != err {
				t.Errorf("then %v; want the same error for good", again)
			}
			if len(s.buf) > firstBuffer {
				t.Errorf("buffer grew to %d bytes", len(s.buf))
			}
		})
	}
}

// blocked fails the test when bytes are asked for that no decision needed.
type blocked struct{ t *testing.T }

func (b blocked) Read([]byte) (int, error) {
	b.t.Error("read on past the bytes that decide")
	return 0, io.EOF
}

func TestScanner_LimitsAreExact(t *testing.T) {
	frame := unhex(t, requestHex)
	e := newExtent()
	if done, err := e.walk(frame, Limits{}.withDefaults()); !done || err != nil {
		t.Fatal(done, err)
	}
	values := int(e.values)
	for _, test := range []struct {
		limits Limits
		want   error
	}{
		{Limits{MaxFrameBytes: len(frame), MaxValues: values}, nil},
		{Limits{MaxFrameBytes: len(frame) - 1}, ErrFrameTooLarge},
		{Limits{MaxValues: values - 1}, ErrFrameTooLarge},
	} {
		_, err := NewScanner(bytes.NewReader(frame), test.limits).Next()
		if !errors.Is(err, test.want) {
			t.Errorf("%+v: %v, want %v", test.limits, err, test.want)
		}
	}
}

// interrupted reads one byte, then misses a deadline, and so on.
type interrupted struct {
	r      io.Reader
	missed bool
}

func (i *interrupted) Read(b []byte) (int, error) {
	i.missed = !i.missed
	if i.missed {
		return 0, os.ErrDeadlineExceeded
	}
	return i.r.Read(b[:1])
}

func TestScanner_GoesOnAfterAMissedDeadline(t *testing.T) {
	frame := unhex(t, requestHex)
	s := NewScanner(&interrupted{r: bytes.NewReader(frame)}, Limits{})
	for received := 0; ; received++ {
		f, err := s.Next()
		if err == nil {
			if !bytes.Equal(f.Raw, frame) || received != len(frame) {
				t.Errorf("got %x after %d deadlines", f.Raw, received)
			}
			return
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		if !bytes.Equal(s.Partial(), frame[:received]) {
			t.Fatalf("after %d bytes, Partial() = %x", received, s.Partial())
		}
	}
}

func TestScanner_EveryPrefixOfAFrameIsUnexpectedEOF(t *testing.T) {
	frame := unhex(t, requestHex)
	for n := 1; n < len(frame); n++ {
		if f, err := NewScanner(bytes.NewReader(frame[:n]), Limits{}).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("prefix of %d bytes: %v, %v", n, f, err)
		}
	}
}

// countingReader counts the calls of Read.
type countingReader struct {
	r     io.Reader
	calls int
}

func (c *countingReader) Read(b []byte) (int, error) {
	c.calls++
	return c.r.Read(b)
}

func TestScanner_ReadsManyFramesAtOnce(t *testing.T) {
	frame := unhex(t, requestHex)
	r := &countingReader{r: bytes.NewReader(bytes.Repeat(frame, 100))}
	s := NewScanner(r, Limits{})
	for range 100 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if most := 100*len(frame)/firstBuffer + 2; r.calls > most {
		t.Errorf("%d reads for 100 frames of %d bytes, want at most %d", r.calls, len(frame), most)
	}
}

func TestScanner_GivesALargeBufferBack(t *testing.T) {
	large := append(unhex(t, "940000 a178 91 c6 00100000"), make([]byte, 1<<20)...)
	small := unhex(t, errorHex)
	s := NewScanner(iotest.HalfReader(bytes.NewReader(append(large, bytes.Repeat(small, 50_000)...))), Limits{})
	f, err := s.Next()
	if err != nil || len(f.Raw) != len(large) || len(s.buf) > 4<<20 {
		t.Fatalf("%d bytes, %v, buffer of %d", len(f.Raw), err, len(s.buf))
	}
	for range 50_000 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.buf) > keptBuffer {
		t.Errorf("after many small frames the buffer still has %d bytes", len(s.buf))
	}
}

func TestAppendWithID(t *testing.T) {
	for _, frame := range []string{requestHex, responseHex, errorHex} {
		f, err := ParseFrame(unhex(t, frame))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []uint32{0, 127, 128, 255, 256, 65535, 65536, 1<<32 - 1} {
			g, err := ParseFrame(AppendWithID(nil, f, id))
			if err != nil || g.ID != id || g.Kind != f.Kind || g.Method != f.Method || !bytes.Equal(g.Body, f.Body) || !bytes.Equal(g.Err, f.Err) {
				t.Errorf("id %d: %+v, %v", id, g, err)
			}
			if back := AppendWithID(nil, g, f.ID); !bytes.Equal(back, f.Raw) {
				t.Errorf("id %d and back: %x", id, back)
			}
		}
	}
}

func TestAppendErrorResponse(t *testing.T) {
	for _, n := range []int{0, 31, 32, 255, 256, 65535, 65536} {
		want := strings.Repeat("e", n)
		f, err := ParseFrame(AppendErrorResponse(nil, 300, want))
		if text, ok := String(f.Err); err != nil || f.ID != 300 || !f.Failed() || !ok || text != want || !isNil(f.Body) {
			t.Errorf("%d bytes of text: %+v, %v", n, f, err)
		}
	}
}

func TestUint_EveryForm(t *testing.T) {
	for form, want := range map[string]uint64{
		"00": 0, "7f": 127, "ccff": 255, "cdffff": 65535, "ceffffffff": 1<<32 - 1, "cfffffffffffffffff": 1<<64 - 1,
		"d07f": 127, "d100c8": 200, "d27fffffff": 1<<31 - 1, "d30000000100000000": 1 << 32,
	} {
		if n, ok := Uint(unhex(t, form)); !ok || n != want {
			t.Errorf("%s: %d, %v; want %d", form, n, ok, want)
		}
	}
	for _, form := range []string{"", "ff", "d0", "d0ff", "d1ffff", "cd01", "0000", "c0", "a131"} {
		if n, ok := Uint(unhex(t, form)); ok {
			t.Errorf("%s was taken for %d", form, n)
		}
	}
}
