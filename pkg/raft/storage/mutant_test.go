//go:build mutants

package storage

import (
	"testing"

	"whitewater/pkg/raft/protocol"
)

// TestMutant_AckBeforeFsyncIsCaught: the loss of power that the log survives takes the mutant's
// acknowledged batches, until its late sync.
func TestMutant_AckBeforeFsyncIsCaught(t *testing.T) {
	for _, mutation := range []string{"", "ack-before-fsync"} {
		p, synced := newPower(), make(chan struct{}, 1000)
		options := testOptions(nil)
		options.Dir = t.TempDir()
		options.Mutation = protocol.Mutation{Name: mutation}
		options.Observe = func(op FileOp) {
			p.observe(op)
			if op.Op == OpSync {
				synced <- struct{}{}
			}
		}
		log, _ := mustOpen(t, options)
		for len(synced) > 0 {
			<-synced
		}
		mustPersist(t, log, persist(3, "n2", entriesFrom(1, 3, 5)...))
		log.disk.Lock()
		found, err := p.recoverCopy(t, options, true)
		log.disk.Unlock()
		must(t, err)
		if lost := len(found.State.Entries) == 0 && found.State.Term == 0; lost != (mutation != "") {
			t.Errorf("mutation %q: lost: %v", mutation, lost)
		}
		<-synced // the mutant's comes within a second
		log.disk.Lock()
		found, err = p.recoverCopy(t, options, true)
		log.disk.Unlock()
		must(t, err)
		if len(found.State.Entries) != 5 || found.State.VotedFor != "n2" {
			t.Errorf("mutation %q: found %+v after the sync", mutation, found.State)
		}
		mustClose(t, log)
	}
}

// TestMutant_RollsOver: acknowledged early or not, a log of several segments is whole after a clean end.
func TestMutant_RollsOver(t *testing.T) {
	options := testOptions(nil)
	options.Dir = t.TempDir()
	options.Mutation = protocol.Mutation{Name: "ack-before-fsync"}
	load := newWorkload(5)
	log, _ := mustOpen(t, options)
	for range 50 {
		mustPersist(t, log, load.group()...)
	}
	if log.Stats().Segments < 2 {
		t.Error("no roll was tried")
	}
	mustClose(t, log)
	log, found := mustOpen(t, options)
	if diff := load.future.diff(found.State); diff != "" {
		t.Error(diff)
	}
	mustClose(t, log)
}
