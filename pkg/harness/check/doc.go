// Package check says whether a recorded run kept Raft's and the store's promises.
//
// # In and out
//
// In: a [Run], all that is known of one scenario's run: the clients' history, the nodes' events, the
// samples of every /metrics page, the faults with their times, the nodes' final logs. Out: one
// [Finding] per [Check], with a [Verdict] and the evidence: what, when, which node, under which fault.
//
// # Invariants
//
//   - A check is a pure function of the run: a stored run can be judged again, anywhere.
//   - A fail is a proof, not a suspicion: each check leaves out what a correct system may do, and
//     its file says so.
//   - A check that saw nothing of what it judges says unknown ("not observed"), never pass.
//   - fail > unknown > pass: [Worst] of many is what the run is.
//   - Every check in [All] has a doctored run that fails it.
//
// Safety checks carry the names of Figure 3 of the Raft paper where it has one. One check, one file.
//
// It does not start, stop or ask anything; it never reads a clock except to bound its own search.
package check
