//go:build mutants

package main

import (
	"strings"
	"testing"
)

func TestMutant_Names(t *testing.T) {
	args := []string{"--id", "n1", "--local", "1"}
	c, _, err := load(append(args, "--mutant", "vote-twice"), nil)
	if err != nil || !c.raft.Mutation.Is("vote-twice") || !c.storage.Mutation.Is("vote-twice") {
		t.Errorf("%+v, %v", c.raft.Mutation, err)
	}
	for _, name := range []string{"no-joint", "stranger-counts", "lease-outlives-transfer", "retry-twice", "snap-merges", "dir-not-synced"} {
		if _, _, err := load(append(args, "--mutant", name), nil); err != nil {
			t.Errorf("--mutant %s: %v", name, err)
		}
	}
	if _, _, err := load(append(args, "--mutant", "sing"), nil); err == nil || !strings.Contains(err.Error(), "use one of ack-before-fsync, vote-twice") {
		t.Errorf("unknown name: %v", err)
	}
	if _, _, err := load(args, nil); err != nil {
		t.Errorf("without a mutant: %v", err)
	}
}
