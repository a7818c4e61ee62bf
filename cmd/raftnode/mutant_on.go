//go:build mutants

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// mutants are the rules that this build can break.
var mutants = []string{
	"ack-before-fsync", "vote-twice", "commit-old-term", "read-unconfirmed", "no-step-down",
	"no-joint", "stranger-counts", "lease-outlives-transfer",
}

func (c *config) bindMutant(f *pflag.FlagSet) {
	f.StringVar(&c.raft.Mutation.Name, "mutant", "", "break one rule on purpose: `name` is "+strings.Join(mutants, ", "))
}

// applyMutant hands the mutation on to storage.
func (c *config) applyMutant() error {
	name := c.raft.Mutation.Name
	if name != "" && !slices.Contains(mutants, name) {
		return fmt.Errorf("--mutant %s is not known: use one of %s", name, strings.Join(mutants, ", "))
	}
	c.storage.Mutation = c.raft.Mutation
	return nil
}
