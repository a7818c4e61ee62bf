package kv

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
)

func TestCommand_RoundTrip(t *testing.T) {
	for _, c := range []Command{
		{Op: OpPut, Key: []byte("k"), Value: []byte{}},
		{Op: OpPut, Key: []byte{0, 255}, Value: []byte("v"), Time: 1 << 40, Session: 9, Sequence: 300, Condition: IfRevision, Revision: 1 << 50},
		{Op: OpAppend, Key: []byte("k"), Value: []byte("tail"), Limit: 1 << 20, Condition: IfAbsent},
		{Op: OpDelete, Key: []byte("k"), Value: []byte{}},
		{Op: OpCreateSession, Key: []byte{}, Value: []byte{}, Limit: 7, TTL: 3600_000},
		{Op: OpDeleteSession, Key: []byte{}, Value: []byte{}, Session: 12},
	} {
		encoded := c.Encode()
		got, err := decodeCommand(encoded)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v came back as %+v, %v", c, got, err)
		}
		if most := MaxCommandBytes(len(c.Key), len(c.Value)); len(encoded) > most {
			t.Errorf("%d bytes, MaxCommandBytes says %d", len(encoded), most)
		}
	}
}

// The bytes are the log's format: they must not change.
func TestCommand_Bytes(t *testing.T) {
	c := Command{Op: OpPut, Condition: IfRevision, Time: 300, Session: 5, Sequence: 2, Revision: 7, Key: []byte("ab"), Value: []byte("cd")}
	if got, want := hex.EncodeToString(c.Encode()), "010101"+"ac02"+"05"+"02"+"07"+"00"+"00"+"02"+"6162"+"6364"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCommand_Refuses(t *testing.T) {
	good := Command{Op: OpPut, Key: []byte("k")}.Encode()
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, data := range map[string][]byte{
		"nothing":              nil,
		"two bytes":            good[:2],
		"cut short":            good[:6],
		"version":              change(0, 2),
		"operation":            change(1, 9),
		"condition":            change(2, 3),
		"key longer than data": change(9, 200),
		"no key":               Command{Op: OpPut, Value: []byte("v")}.Encode(),
		"half a session":       Command{Op: OpPut, Key: []byte("k"), Session: 1}.Encode(),
		"deletion with value":  Command{Op: OpDelete, Key: []byte("k"), Value: []byte("v")}.Encode(),
		"creation with id":     Command{Op: OpCreateSession, Session: 1}.Encode(),
		"creation with key":    Command{Op: OpCreateSession, Key: []byte("k")}.Encode(),
		"deletion without id":  Command{Op: OpDeleteSession}.Encode(),
		"time out of range":    Command{Op: OpPut, Key: []byte("k"), Time: 1 << 63}.Encode(),
		"eleven-byte number":   append([]byte{1, 1, 0}, bytes.Repeat([]byte{255}, 11)...),
	} {
		if c, err := decodeCommand(data); !errors.Is(err, ErrBadCommand) {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
}

// What decodes encodes to something that decodes to the same.
func FuzzDecodeCommand(f *testing.F) {
	f.Add(Command{Op: OpAppend, Key: []byte("k"), Value: []byte("v"), Session: 3, Sequence: 4, Limit: 5}.Encode())
	f.Add(Command{Op: OpCreateSession, TTL: 1, Limit: 1}.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCommand(data)
		if err != nil {
			return
		}
		again, err := decodeCommand(c.Encode())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v came back as %+v, %v", c, again, err)
		}
	})
}
