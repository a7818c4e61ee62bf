package storage

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"whitewater/pkg/raft/protocol"
)

// driver works a Log as a node under changing leaders would, snapshots and installs included, and knows
// at each moment what a crash must leave.
type driver struct {
	log   *Log
	rng   *rand.Rand
	load  *workload // load.future is what was asked for
	acked model     // survives for sure, Snapshot apart
	maybe model     // with the call that is under way

	saved   []protocol.SnapshotMeta // durable, and count where the log holds their position
	saving  protocol.SnapshotMeta   // under way
	perhaps []protocol.SnapshotMeta // an error left open whether they are durable
	done    map[string]int          // operations that succeeded, by name
}

func newDriver(seed uint64) *driver {
	return &driver{rng: rand.New(rand.NewPCG(seed, 2)), load: newWorkload(seed), done: map[string]int{}}
}

// adopt goes on from a recovered state, which must be one of those that may be.
func (d *driver) adopt(log *Log, found protocol.State) error {
	if err := d.check(found); err != nil {
		return err
	}
	d.log, d.saving, d.perhaps = log, protocol.SnapshotMeta{}, nil
	d.acked = model{found}
	d.maybe, d.load.future = d.acked.clone(), d.acked.clone()
	d.saved = nil
	if !found.Snapshot.IsZero() {
		d.saved = []protocol.SnapshotMeta{found.Snapshot}
	}
	return nil
}

// check tells what is wrong with a recovered state.
func (d *driver) check(found protocol.State) error {
	want := d.acked.clone()
	if d.maybe.holdsLog(found) {
		want = d.maybe.clone()
	}
	want.Snapshot = d.newest(found, false)
	if may := d.newest(found, true); found.Snapshot == may {
		want.Snapshot = may
	}
	if diff := want.diff(found); diff != "" {
		return fmt.Errorf("acknowledged and not recovered:\n%s", diff)
	}
	return nil
}

// newest is the newest snapshot that a recovered log holds, with the one under way or without.
func (d *driver) newest(found protocol.State, underWay bool) (newest protocol.SnapshotMeta) {
	log := newOutline(found.Compacted, found.Entries)
	all := d.saved
	if underWay {
		all = slices.Concat(all, d.perhaps, []protocol.SnapshotMeta{d.saving})
	}
	for _, meta := range all {
		if meta.Index > newest.Index && log.holds(meta.Position) {
			newest = meta
		}
	}
	return newest
}

// step does one operation.
func (d *driver) step() error {
	last, snapshot := d.load.future.last(), d.newest(d.load.future.State, false).Index
	switch n := d.rng.IntN(10); {
	case n == 0 && last > snapshot:
		at := d.load.future.at(snapshot + 1 + protocol.Index(d.rng.IntN(int(last-snapshot))))
		return d.save(at)
	case n == 1 && snapshot > d.load.future.Compacted.Index:
		to := d.load.future.Compacted.Index
		return d.compact(d.load.future.at(to + 1 + protocol.Index(d.rng.IntN(int(snapshot-to)))))
	case n == 2 && d.rng.IntN(3) == 0:
		index := snapshot + 1 + protocol.Index(d.rng.IntN(int(last-snapshot)+10))
		return d.install(protocol.Position{Term: d.load.future.Term + 1, Index: index})
	}
	return d.persist(d.group()...)
}

// group makes batches that leave alone what a snapshot covers.
func (d *driver) group() []protocol.Persist {
	d.load.future.Snapshot = d.newest(d.load.future.State, true)
	return d.load.group()
}

func (d *driver) persist(group ...protocol.Persist) error {
	d.maybe = d.acked.clone()
	d.maybe.persist(group...)
	d.load.future = d.maybe.clone()
	if err := d.log.Persist(group...); err != nil {
		return err
	}
	d.acked = d.maybe.clone()
	d.done["persist"]++
	return nil
}

// driverData is mostly small, so that many crashes are affordable, and sometimes of two blocks.
func driverData(at protocol.Position) []byte {
	line := fmt.Appendf(nil, "state at %v; ", at)
	if at.Index%16 == 0 {
		return bytes.Repeat(line, snapBlockBytes/len(line)+20)
	}
	return bytes.Repeat(line, int(at.Index%5)*8)
}

// driverMeta has, for some positions, a configuration that none but a bug would make, longer than a sector.
func driverMeta(at protocol.Position, data []byte) protocol.SnapshotMeta {
	meta := metaOf(at, data)
	if at.Index%3 == 0 {
		meta.Configuration = strings.Repeat(fmt.Sprintf("\x00\xff%d ", at.Index), 150)
	}
	return meta
}

// save stores a snapshot, with batches persisted in between.
func (d *driver) save(at protocol.Position) error {
	data := driverData(at)
	d.saving = driverMeta(at, data)
	told := protocol.SnapshotMeta{Position: at, Configuration: d.saving.Configuration}
	_, err := d.log.SaveSnapshot(told, func(w io.Writer) error {
		for _, part := range [][]byte{data[:len(data)/3], data[len(data)/3:]} {
			if _, err := w.Write(part); err != nil {
				return err
			}
			if err := d.persist(d.group()...); err != nil {
				return err
			}
		}
		return nil
	})
	return d.stored("save", err)
}

// stored notes that the snapshot under way is durable.
func (d *driver) stored(name string, err error) error {
	if err == nil {
		d.saved = append(d.saved, d.saving)
		d.done[name]++
	} else {
		d.perhaps = append(d.perhaps, d.saving)
	}
	d.saving = protocol.SnapshotMeta{}
	return err
}

func (d *driver) compact(to protocol.Position) error {
	err := d.persist(protocol.Persist{HardState: d.load.future.HardState, Compact: to})
	if err == nil {
		d.done["compact"]++
	}
	return err
}

// install receives a leader's snapshot and puts it in the place of the log, now and then with entries behind.
func (d *driver) install(at protocol.Position) error {
	data := driverData(at)
	d.saving = driverMeta(at, data)
	if err := receive(d.log, d.saving, data); err != nil {
		return d.stored("receive", err)
	}
	b := protocol.Persist{HardState: protocol.HardState{Term: at.Term}, Install: d.saving}
	_ = d.stored("receive", nil)
	if d.rng.IntN(2) == 0 {
		b.Entries = entriesFrom(at.Index+1, at.Term, d.rng.IntN(3))
	}
	err := d.persist(b)
	if err == nil {
		d.done["install"]++
	}
	return err
}
