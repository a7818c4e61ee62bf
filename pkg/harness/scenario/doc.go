// Package scenario runs one scenario: a YAML file that says which cluster to start, how to load it,
// what to do to it and when, and what must hold. docs/scenarios.md is the format for people.
//
// # In and out
//
// [Parse] turns a file into a [Scenario], or into a [*FileError] with everything that is wrong with it,
// each with line, column and a mend. [Run] carries a scenario out in a folder and returns a [Result]: a
// verdict, the findings behind it, the faults with the effect that each had.
//
// # The phases of a run
//
//	start      processes, links, first leader
//	timeline   the steps, in order, under load
//	recover    everything healed, resumed, restarted; all nodes catch up; the load drains
//	final      every key read once more, every node's log fetched, nodes stopped cleanly
//	judge      events, samples and history go to package check
//
// # Invariants
//
//   - A timeline is data: which node a role meant is drawn from the seed and the step's position, and
//     from nothing else that is random.
//   - A fault that did less than its step demands, or too little load, makes the run unknown.
//   - What a step waited for in vain is a failure if a correct cluster owes it (a leader, progress),
//     else unknown.
//   - With expect_fail the run passes if one of the named checks fails, and in no other way.
//   - Whatever happens, no process is left when Run returns.
//
// # Goroutines
//
//	goroutine   selects on         ended by
//	reporter    ticker, end        the end of Run
//	stillness   ticker, end        the end of the final phase
//
// It does not know how a node works, and judges nothing itself but what the file expects.
package scenario
