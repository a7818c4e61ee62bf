//go:build mutants

package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// crashes are lives that end after some steps, in any way, or in one of some.
func crashes(losses ...vfs.Loss) func(*rand.Rand) trouble {
	return func(rng *rand.Rand) trouble {
		c := &crasher{left: rng.IntN(80), rng: rng}
		return trouble{c.fault, losses[rng.IntN(len(losses))]}
	}
}

// rot is a disk on which a bit flips in what was acknowledged, behind which more stands: a start must refuse it.
func rot(options func(FS) Options) error {
	files := vfs.NewMem()
	log, _, err := Open(options(files))
	if err != nil {
		return err
	}
	var ends []int64
	for i := range protocol.Index(4) {
		if err := log.Persist(persist(1, "n1", entriesFrom(i+1, 1, 1)...)); err != nil {
			return err
		}
		ends = append(ends, log.offset)
	}
	if err := log.Close(); err != nil {
		return err
	}
	flip(files, segmentPath(1), ends[1]+20, 1)
	log, found, err := Open(options(files))
	if err == nil {
		return errors.Join(fmt.Errorf("of four entries %d were found, and no damage", len(found.State.Entries)), log.Close())
	}
	if _, ok := errors.AsType[*CorruptError](err); !ok {
		return err
	}
	return nil
}

// TestMutants: each rule that this package can break is one that a crash or a fault shows to be broken, and none of
// these finds fault with the sound code.
func TestMutants(t *testing.T) {
	for name, next := range map[string]func(*rand.Rand) trouble{
		"ack-before-fsync":   crashes(vfs.LoseAll),
		"fsync-retry":        lyingSyncs(map[string]int{}),
		"torn-tail-append":   crashes(vfs.KeepAll),
		"torn-tail-fatal":    crashes(vfs.KeepAll),
		"bad-middle-cut":     nil,
		"dir-not-synced":     crashes(vfs.LoseAll),
		"term-after-entries": crashes(vfs.KeepAll),
		"snap-compact-first": crashes(vfs.LoseAll),
	} {
		t.Run(name, func(t *testing.T) {
			for _, mutant := range []string{"", name} {
				options := func(files FS) Options {
					o := testOptions(files)
					o.Mutation = protocol.Mutation{Name: mutant}
					return o
				}
				seeds, caught := uint64(10), error(nil)
				for seed := uint64(0); seed < seeds && caught == nil; seed++ {
					if next == nil {
						caught = rot(options)
					} else {
						_, caught = lives(seed, 30, options, next)
					}
				}
				if (caught != nil) != (mutant != "") {
					t.Errorf("mutant %q: got %v", mutant, caught)
				}
				if caught != nil {
					t.Logf("%.300v", caught)
				}
			}
		})
	}
}

// TestMutant_AckBeforeFsyncOnADisk: the loss of power that is imitated on real files from the operations reported
// takes the mutant's acknowledged batches, until it syncs.
func TestMutant_AckBeforeFsyncOnADisk(t *testing.T) {
	for _, mutation := range []string{"", "ack-before-fsync"} {
		p := newPower()
		options := testOptions(nil)
		options.Dir, options.SegmentBytes = t.TempDir(), 1<<20
		options.Mutation = protocol.Mutation{Name: mutation}
		options.Observe = p.observe
		log, _ := mustOpen(t, options)
		mustPersist(t, log, persist(3, "n2", entriesFrom(1, 3, 5)...))
		found, err := p.recoverCopy(t, options, true)
		must(t, err)
		if lost := len(found.State.Entries) == 0 && found.State.Term == 0; lost != (mutation != "") {
			t.Errorf("mutation %q: lost: %v", mutation, lost)
		}
		mustPersist(t, log, persist(3, "n2", protocol.Entry{Index: 6, Term: 3, Data: make([]byte, lateSync)}))
		found, err = p.recoverCopy(t, options, true)
		must(t, err)
		if len(found.State.Entries) != 6 || found.State.VotedFor != "n2" {
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
