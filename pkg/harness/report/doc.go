// Package report tells people and machines what came of a run: progress and a table on the terminal,
// junit.xml for build servers.
//
// # In and out
//
// In: [scenario.Progress] while scenarios run, [scenario.Result] when each has ended. Out: text on one
// writer, and files in the run's folder.
//
// # Invariants
//
//   - On a terminal a known number of lines is redrawn at most five times a second; anywhere else, and
//     with TERM=dumb, each fact is one plain line. Colour only on a terminal, and not with NO_COLOR.
//   - Every verdict comes with its seed. What is not a pass says what broke, when, under which fault, and
//     the command that runs it again.
//   - junit.xml is well-formed XML 1.0 whatever the processes printed.
//
// It does not judge, and takes over neither signals nor standard input.
package report
