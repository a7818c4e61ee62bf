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

// Persister is a server's disk: the bytes saved last, both of one save, survive a crash. A suite that names its Save
// otherwise, or has one for the state alone, needs a method here.
type Persister interface {
	Save(state, snapshot []byte)
	ReadRaftState() []byte
	ReadSnapshot() []byte
}

// ApplyMsg is one committed command, or the service's state up to an index, in the place of the commands.
type ApplyMsg struct {
	CommandValid bool
	Command      any
	CommandIndex int

	SnapshotValid bool
	Snapshot      []byte
	SnapshotTerm  int
	SnapshotIndex int
}

// register makes the types that travel in an interface known to the codec.
func register(values ...any) {
	for _, value := range values {
		gob.Register(value)
	}
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
