package storage

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"
)

// power follows a data directory's FileOps and knows what a loss of power must leave of it.
type power struct {
	lengths map[string]int64    // synced bytes by name
	names   map[string][]FileOp // creates and renames since the last syncdir, by directory
}

func newPower() *power { return &power{lengths: map[string]int64{}, names: map[string][]FileOp{}} }

func (p *power) observe(op FileOp) {
	dir := path.Dir(op.File)
	switch op.Op {
	case OpCreate:
		p.names[dir] = append(p.names[dir], op)
	case OpRename:
		p.names[dir] = append(p.names[dir], op)
		p.lengths[op.To] = p.lengths[op.File]
	case OpRemove: // nothing that it undid is needed; what it removed cannot come back
		p.names[dir] = slices.DeleteFunc(p.names[dir], func(made FileOp) bool { return made.File == op.File || made.To == op.File })
		delete(p.lengths, op.File)
	case OpSync:
		p.lengths[op.File] = op.Length
	case OpSyncDir:
		p.names[op.File] = nil
	}
}

// cut does to dir what a loss of power would: each file ends where its last sync said, names that
// were not synced are undone. The mark, which is never synced, may have reached the disk all the same.
func (p *power) cut(t *testing.T, dir string, keepMark bool) {
	t.Helper()
	for _, ops := range p.names {
		for i := len(ops) - 1; i >= 0; i-- {
			name := filepath.Join(dir, ops[i].File)
			if ops[i].Op == OpCreate {
				must(t, os.Remove(name))
			} else {
				must(t, os.Rename(filepath.Join(dir, ops[i].To), name))
			}
		}
	}
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || keepMark && d.Name() == markName {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return os.Truncate(name, min(info.Size(), p.lengths[filepath.ToSlash(relative)]))
	}))
}

// after returns what power knows once the lost names are gone.
func (p *power) after() *power {
	next := newPower()
	for name, length := range p.lengths {
		next.lengths[name] = length
	}
	return next
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recoverCopy cuts a copy of dir and reports what is found in it.
func (p *power) recoverCopy(t *testing.T, options Options, keepMark bool) (Recovered, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	must(t, os.CopyFS(dir, os.DirFS(options.Dir)))
	p.cut(t, dir, keepMark)
	options.Dir, options.Observe = dir, nil
	log, found, err := Open(options)
	if err == nil {
		mustClose(t, log)
	}
	return found, err
}

// TestPower_AtEveryStep loses power on a copy of the directory at each step of a workload.
func TestPower_AtEveryStep(t *testing.T) {
	options := testOptions(nil)
	options.Dir = t.TempDir()
	p, d, points := newPower(), newDriver(4), 0
	check := func() {
		points++
		found, err := p.recoverCopy(t, options, points%2 == 0)
		if err != nil {
			t.Fatalf("point %d: %v", points, err)
		}
		if err := d.check(found.State); err != nil {
			t.Fatalf("point %d: %v", points, err)
		}
	}
	options.Observe = func(op FileOp) {
		p.observe(op)
		check()
	}
	log, found := mustOpen(t, options)
	must(t, d.adopt(log, found.State))
	for range 60 {
		must(t, d.step())
		check()
	}
	if log.number < 3 || d.done["save"] == 0 || d.done["install"] == 0 || d.done["compact"] == 0 {
		t.Errorf("%d segments, %v: the test is vacuous", log.number, d.done)
	}
	mustClose(t, log)
}

// TestPower_AgainAndAgain loses power on one directory many times, with writes in between and a torn
// write left behind each time.
func TestPower_AgainAndAgain(t *testing.T) {
	options := testOptions(nil)
	options.Dir = t.TempDir()
	p, load := newPower(), newWorkload(4)
	options.Observe = func(op FileOp) { p.observe(op) }
	for round := range 20 {
		log, found := mustOpen(t, options)
		if diff := load.future.diff(found.State); diff != "" {
			t.Fatalf("round %d: acknowledged and not recovered:\n%s", round, diff)
		}
		if round > 0 && (found.TornBytes == 0 || found.TornFile == "" || found.TornCopy == "") {
			t.Fatalf("round %d: the torn write is not reported: %+v", round, found)
		}
		for range 5 {
			mustPersist(t, log, load.group()...)
		}
		segment := filepath.Join(options.Dir, log.segment.name)
		mustClose(t, log)
		p.cut(t, options.Dir, round%2 == 0)
		p = p.after()
		f, err := os.OpenFile(segment, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString(batchMagic + "half a batch")
		must(t, err)
		must(t, f.Close())
	}
}
