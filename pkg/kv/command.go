package kv

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
)

// commandVersion is the first byte of every encoded command.
const commandVersion = 1

// No key or value is longer: bounds of a snapshot's format, and of the settings.
const (
	MaxKeyBytes   = 1 << 20
	MaxValueBytes = 1 << 30
)

// maxOverhead bounds an encoded command without its key and value: three bytes and seven varints.
const maxOverhead = 3 + 7*binary.MaxVarintLen64

// Op tells what a command does. Its numbers are part of the log's format.
type Op uint8

const (
	// OpPut sets Key to Value.
	OpPut Op = iota + 1
	// OpAppend puts Value behind the present value of Key.
	OpAppend
	// OpDelete removes Key.
	OpDelete
	// OpCreateSession opens a session, whose id is the entry's index.
	OpCreateSession
	// OpDeleteSession ends the session that Session names.
	OpDeleteSession
)

// Condition must hold for a write to take effect. Its numbers are part of the log's format.
type Condition uint8

const (
	// Always is no condition.
	Always Condition = iota
	// IfRevision wants the key present at Command.Revision.
	IfRevision
	// IfAbsent wants the key absent.
	IfAbsent
)

// Command is one change of the state machine, as it stands in a log entry.
type Command struct {
	Op        Op
	Condition Condition
	Time      uint64 // the proposing leader's clock, milliseconds since 1970
	Session   uint64 // 0: none
	Sequence  uint64 // of the session, from 1; 0 without a session
	Revision  uint64 // what IfRevision compares with
	Limit     uint64 // OpAppend: most bytes of the resulting value; OpCreateSession: most sessions
	TTL       uint64 // OpCreateSession: milliseconds of log time without a write until it expires
	Key       []byte
	Value     []byte
}

// MaxCommandBytes is the size of the largest encoded command with such keys and values.
func MaxCommandBytes(maxKeyBytes, maxValueBytes int) int {
	return maxOverhead + maxKeyBytes + maxValueBytes
}

// Encode returns the command's bytes:
//
//	+---------+----+-----------+------+---------+----------+----------+-------+-----+---------+-----+-------+
//	| version | op | condition | time | session | sequence | revision | limit | ttl | key len | key | value |
//	|  1 byte |  1 |         1 |              seven unsigned varints (encoding/binary)       |     | rest  |
//	+---------+----+-----------+------+---------+----------+----------+-------+-----+---------+-----+-------+
func (c Command) Encode() []byte {
	b := make([]byte, 0, maxOverhead+len(c.Key)+len(c.Value))
	b = append(b, commandVersion, byte(c.Op), byte(c.Condition))
	for _, v := range []uint64{c.Time, c.Session, c.Sequence, c.Revision, c.Limit, c.TTL, uint64(len(c.Key))} {
		b = binary.AppendUvarint(b, v)
	}
	b = append(b, c.Key...)
	return append(b, c.Value...)
}

// decodeCommand reads what Encode wrote; key and value alias data. It allocates nothing.
func decodeCommand(data []byte) (Command, error) {
	if len(data) < 3 {
		return Command{}, fmt.Errorf("%w: %d bytes are too few", ErrBadCommand, len(data))
	}
	if data[0] != commandVersion {
		return Command{}, fmt.Errorf("%w: version %d, this program knows %d", ErrBadCommand, data[0], commandVersion)
	}
	c := Command{Op: Op(data[1]), Condition: Condition(data[2])}
	rest := data[3:]
	var keyLen uint64
	for _, field := range []*uint64{&c.Time, &c.Session, &c.Sequence, &c.Revision, &c.Limit, &c.TTL, &keyLen} {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return Command{}, fmt.Errorf("%w: number cut short or too long at byte %d", ErrBadCommand, len(data)-len(rest))
		}
		*field, rest = v, rest[n:]
	}
	if keyLen > uint64(len(rest)) {
		return Command{}, fmt.Errorf("%w: key of %d bytes, %d are there", ErrBadCommand, keyLen, len(rest))
	}
	c.Key, c.Value = rest[:keyLen:keyLen], rest[keyLen:]
	return c, c.check()
}

// check refuses a command whose fields do not fit its operation.
func (c Command) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: op %d %s", ErrBadCommand, c.Op, what) }
	switch c.Op {
	case OpPut, OpAppend, OpDelete:
		if len(c.Key) == 0 {
			return bad("without a key")
		}
		if (c.Session == 0) != (c.Sequence == 0) {
			return bad("with half a session")
		}
		if c.Op == OpDelete && len(c.Value) > 0 {
			return bad("with a value")
		}
	case OpCreateSession, OpDeleteSession:
		if len(c.Key)+len(c.Value) > 0 || c.Condition != Always {
			return bad("with a key, a value or a condition")
		}
		if (c.Op == OpCreateSession) != (c.Session == 0) {
			return bad("with a session where none belongs, or the other way round")
		}
	default:
		return bad("is unknown")
	}
	if c.Condition > IfAbsent {
		return bad(fmt.Sprintf("has unknown condition %d", c.Condition))
	}
	if c.Time > math.MaxInt64 || c.TTL > math.MaxInt64 {
		return bad("has a time out of range")
	}
	return nil
}

// digest is equal for two writes exactly when a client asked for the same thing: operation, condition,
// key and value.
func (c Command) digest() [sha256.Size]byte {
	head := []byte{byte(c.Op), byte(c.Condition)}
	head = binary.AppendUvarint(head, c.Revision)
	head = binary.AppendUvarint(head, uint64(len(c.Key)))
	h := sha256.New()
	h.Write(head)
	h.Write(c.Key)
	h.Write(c.Value)
	return [sha256.Size]byte(h.Sum(nil))
}
