// Command harness starts real clusters behind a fault proxy, drives scenarios against them and judges
// what they did. See docs/harness.md.
//
// Exit codes: 0 pass, 1 fail, 2 unknown (an interruption too), 3 usage, 4 the harness' own failure.
package main
