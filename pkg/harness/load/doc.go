// Package load is the clients of a cluster under test: they write and read over the nodes' HTTP API
// and record what they saw, so that judges can say whether any sequential store could have answered so.
//
// # In and out
//
// In: [Options], and [Endpoints], which names the nodes and where they listen now. Out: a history, one
// [Operation] per line of JSON, each with every HTTP attempt that was made for it.
//
// # Outcomes
//
// An attempt is ok, refused (no effect, for certain: nothing was sent, or the node said so) or unknown.
// An operation is ok on a success or on a replayed answer, failed only if every attempt was refused,
// else unknown. An operation of unknown outcome may take effect at any later time, so its client
// retires: its successor has another name and another session.
//
// # Invariants
//
//   - A session has one write at a time; an attempt for the same operation repeats its sequence number.
//   - Without sessions a write is sent again only after a refusal: a retry would be a new write.
//   - Every value written and every token appended is unique in the history.
//   - What a client does next depends on the seed, its own number and its own past, not on the others.
//   - Call is taken before the first byte leaves, Return after the last one came, both CLOCK_MONOTONIC.
//
// # Goroutines
//
//	goroutine          selects on                       ended by
//	client, one each   answers, pace, pause, context    Stop, the context's end
//	final reader       answers, context                 the end of its keys
//
// It does not judge, does not pass the fault proxy (clients speak to the nodes directly), and knows
// nothing of Raft beyond the answers of the API.
package load
