//go:build mutants

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// mutants are the rules that this build can break; docs/mutants.md says what each is.
var mutants = []string{
	"ack-before-fsync", "vote-twice", "commit-old-term", "read-unconfirmed", "no-step-down",
	"no-joint", "stranger-counts", "lease-outlives-transfer",

	"vote-forgotten", "vote-cleared", "vote-stale-log", "vote-late-reply", "prevote-no-log", "prevote-remembers", "no-prevote",
	"timer-any-rpc", "heartbeat-storm", "term-falls",
	"ae-cuts-always", "ae-keeps-tail", "ae-heartbeat-ok", "ae-commit-unverified", "ae-ack-own-length", "ae-match-falls",
	"apply-uncommitted", "commit-falls", "commit-self-unsynced", "commit-no-noop",
	"fsync-retry", "term-after-entries", "torn-tail-fatal", "torn-tail-append", "bad-middle-cut", "dir-not-synced",
	"snap-older-wins", "snap-ack-early", "snap-compact-first",
	"member-before-noop", "member-learner", "member-not-in-snapshot", "member-lost-on-restart",
	"read-no-noop", "read-lease-pause", "read-ack-reused", "read-shares-index",
	"quota-leak", "transfer-stuck",

	"retry-twice", "dedup-in-leader", "dedup-forgets-answer", "wrong-waiter", "waiter-lost", "snap-no-sessions", "snap-merges",
}

func (c *config) bindMutant(f *pflag.FlagSet) {
	f.StringVar(&c.raft.Mutation.Name, "mutant", "", "break one rule on purpose: `name` is "+strings.Join(mutants, ", "))
}

// applyMutant hands the mutation on to storage; the state machine gets it where it is made.
func (c *config) applyMutant() error {
	name := c.raft.Mutation.Name
	if name != "" && !slices.Contains(mutants, name) {
		return fmt.Errorf("--mutant %s is not known: use one of %s", name, strings.Join(mutants, ", "))
	}
	c.storage.Mutation = c.raft.Mutation
	return nil
}
