package lab

import (
	"bytes"
	"encoding/gob"
	"fmt"
)

// What stands in this file is the suite's own; an adapter for another one names its types and its codec here.

// Caller is the way to one server. Call tells whether reply was filled; it may take seconds to fail.
type Caller interface {
	Call(method string, args, reply any) bool
}

// Persister is a server's disk: the bytes saved last survive a crash.
type Persister interface {
	SaveRaftState(state []byte)
	ReadRaftState() []byte
}

// ApplyMsg is one committed command.
type ApplyMsg struct {
	CommandValid bool
	Command      any
	CommandIndex int
}

// encode panics on a type that gob does not know: as in the suite's own calls, that is the suite's mistake.
func encode(value any) []byte {
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(value); err != nil {
		panic(fmt.Errorf("encode %T: %w", value, err))
	}
	return data.Bytes()
}

func decode(data []byte, value any) {
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(value); err != nil {
		panic(fmt.Errorf("decode %T: %w", value, err))
	}
}
