package kv

import (
	"fmt"

	"github.com/tidwall/btree"

	"whitewater/pkg/raft/protocol"
)

// Verdict is the state machine's answer to a command. It says how the command ended; none is an error.
type Verdict uint8

const (
	// Done: the command took effect.
	Done Verdict = iota
	// ConditionFailed: the key's revision is another; Result.Revision is the present one, 0 for absent.
	ConditionFailed
	// TooLarge: the value would have grown past the limit.
	TooLarge
	// SessionGone: the session expired, was deleted, or never was.
	SessionGone
	// SequenceReused: this sequence number was used for another write.
	SequenceReused
	// SequenceTooOld: the session has moved on; what became of that write is no longer known.
	SequenceTooOld
	// SessionsFull: there are as many sessions as allowed.
	SessionsFull
)

// Result is what applying one command gave.
type Result struct {
	Verdict  Verdict
	Position protocol.Position // of the entry that gave this answer first
	Revision protocol.Index    // the key's revision afterwards; 0: the key is absent (a deletion that removed something: the entry's own index)
	Replayed bool              // the session table's answer: nothing was changed
}

// record is one key's value. The bytes of a value never change once readers may see them.
type record struct {
	value    []byte
	revision protocol.Index
}

// state is the key-value map and the sessions: a function of the applied entries alone.
type state struct {
	mutation protocol.Mutation
	applied  protocol.Position
	now      uint64 // log time, milliseconds
	keys     btree.Map[string, record]
	bytes    int64 // of keys and values
	sessions sessionTable
}

// apply applies the entry behind the last one.
func (s *state) apply(e protocol.Entry) (Result, error) {
	if e.Index != s.applied.Index+1 {
		return Result{}, fmt.Errorf("apply entry %d after %d: %w", e.Index, s.applied.Index, ErrGap)
	}
	if e.Kind != protocol.EntryCommand {
		s.applied = e.Position()
		return Result{Position: e.Position()}, nil
	}
	c, err := decodeCommand(e.Data)
	if err != nil {
		return Result{}, fmt.Errorf("apply entry %d: %w", e.Index, err)
	}
	s.applied = e.Position()
	s.now = max(s.now, c.Time)
	s.sessions.expire(s.now)
	result := s.execute(c)
	if !result.Replayed {
		result.Position = e.Position()
	}
	return result, nil
}

// execute runs a command at the applied position.
func (s *state) execute(c Command) Result {
	switch c.Op {
	case OpCreateSession:
		return s.sessions.create(uint64(s.applied.Index), s.now, c)
	case OpDeleteSession:
		return s.sessions.delete(c.Session)
	}
	if c.Session == 0 || s.mutation.Is("retry-twice") || s.mutation.Is("dedup-in-leader") {
		return s.write(c)
	}
	sess, result, fresh := s.sessions.admit(c, s.now)
	if !fresh {
		if result.Replayed && s.mutation.Is("dedup-forgets-answer") {
			return s.judge(c, result)
		}
		return result
	}
	result = s.write(c)
	result.Position = s.applied
	s.sessions.remember(sess, c, result)
	return result
}

// write changes one key.
func (s *state) write(c Command) Result {
	key := string(c.Key)
	old, present := s.keys.Get(key)
	switch {
	case !c.allows(old, present):
		return Result{Verdict: ConditionFailed, Revision: old.revision}
	case c.Op == OpDelete:
		return s.remove(key, old, present)
	}
	var value []byte
	if c.Op == OpAppend {
		if uint64(len(old.value)+len(c.Value)) > c.Limit {
			return Result{Verdict: TooLarge, Revision: old.revision}
		}
		// Readers and views may hold the old value: they see only its own length, so room behind it may be filled.
		value = old.value
	}
	// A copy, so that no entry, nor what it was read in, is kept in memory by a value.
	value = append(value, c.Value...)
	if !present {
		s.bytes += int64(len(key))
	}
	s.bytes += int64(len(value) - len(old.value))
	s.keys.Set(key, record{value: value, revision: s.applied.Index})
	return Result{Revision: s.applied.Index}
}

// allows tells whether the command's condition holds for what a key holds.
func (c Command) allows(old record, present bool) bool {
	switch c.Condition {
	case IfRevision:
		return present && uint64(old.revision) == c.Revision
	case IfAbsent:
		return !present
	}
	return true
}

func (s *state) remove(key string, old record, present bool) Result {
	if !present {
		return Result{}
	}
	s.keys.Delete(key)
	s.bytes -= int64(len(key) + len(old.value))
	return Result{Revision: s.applied.Index}
}
