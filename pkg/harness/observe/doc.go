// Package observe gathers what a cluster under test shows of itself: samples of each process's
// /metrics page and each node's event log. It keeps both raw, so that a stored run can be judged again.
//
// # In and out
//
//   - [Scraper]: targets in, [Sample]s out, one every interval and on demand. A scrape that fails is a
//     sample too, with Err. Times are CLOCK_MONOTONIC nanoseconds.
//   - [ReadEvents]: a node's whole event log in, its [Event]s out, proven gap-free.
//   - [Feed]: the same logs while they grow, so that a scenario can await an event instead of sleeping.
//
// # Invariants
//
//   - A page that shows one series twice is refused: which value would count?
//   - Within an incarnation the events' seq runs from 1 without a gap; a gap is an error, since judges
//     rest on having seen everything. One torn last line per incarnation is allowed: kill -9 tears it.
//   - What a judge sees is what the process said: no value is interpolated, rounded or dropped.
//
// # Goroutines
//
//	goroutine            selects on              ended by
//	scrape, one a node   ticker, stop            Stop
//	targets              ticker, stop            Stop
//	feed                 ticker, stop            Stop
//
// It does not judge, and knows a node as a black box: names of series and fields of events, no code.
package observe
