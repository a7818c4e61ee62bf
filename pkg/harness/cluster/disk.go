package cluster

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// FileOp is one durable step of a node's storage, as its event log tells it. Names are relative to
// the data directory.
type FileOp struct {
	Op     string // create, rename, remove, sync or syncdir
	File   string
	To     string // of a rename
	Length int64  // of a sync: the file's bytes up to here are durable
}

// Cut is what a power loss took from a data directory.
type Cut struct {
	Bytes int64    // written and not synced
	Files []string // shortened
	Names []string // created or renamed and not synced
	Spare string   // not empty: why nothing was taken
}

// disk is what of one data directory is durable. It outlives the node's incarnations: a plain kill
// leaves the page cache, so a file that one incarnation left unsynced stays so in the next.
//
// # Removals
//
// What was removed cannot be brought back, and need not be. A storage may remove a name only when nothing durable
// needs it any more: until it syncs the directory, either outcome of a loss, the name gone or still there, must be good.
// So a loss imitated here leaves every removal done, one that no sync of its directory followed too. The steps that
// made the file needless were durable, and told of, before the removal was; of the steps told of, a loss only undoes
// what was not durable.
//
// # What a kill takes from the event log
//
// Events are written behind the steps they tell of, so a kill may take the last of them: the disk is then ahead of the
// log. Nobody was told of anything that rests on these steps, and to undo a sync or a name among them is what a loss
// a moment earlier would have done. Not so beside a removal among them: what made the file needless might be undone,
// and the file is gone. Nor may a file be cut that another one, begun since, continues. So if a name is missing that
// should be there, or one is there that was never told of, the disk is taken as it is and nothing is lost: also a
// disk that loses power may just have written all that it was given.
type disk struct {
	synced  map[string]int64 // durable length by file; 0 for one that was created and never synced
	pending []FileOp         // names made since their directory's last sync, in order
}

func newDisk() *disk { return &disk{synced: map[string]int64{}} }

// observe takes the steps in the order in which they happened.
func (d *disk) observe(ops []FileOp) {
	for _, op := range ops {
		file, to := path.Clean(op.File), path.Clean(op.To)
		switch op.Op {
		case "create":
			d.synced[file] = 0
			d.pending = append(d.pending, FileOp{Op: op.Op, File: file})
		case "rename":
			d.move(file, to)
			d.pending = append(d.pending, FileOp{Op: op.Op, File: file, To: to})
		case "remove":
			delete(d.synced, file)
			d.pending = slices.DeleteFunc(d.pending, func(p FileOp) bool { return made(p) == file })
		case "sync":
			d.synced[file] = op.Length
		case "syncdir":
			d.pending = slices.DeleteFunc(d.pending, func(p FileOp) bool { return path.Dir(made(p)) == file })
		}
	}
}

// made is the name that a step made.
func made(op FileOp) string {
	if op.Op == "rename" {
		return op.To
	}
	return op.File
}

func (d *disk) move(from, to string) {
	if length, ok := d.synced[from]; ok {
		d.synced[to] = length
		delete(d.synced, from)
	}
}

// cut takes from dir what is not durable; the node must not be running. Afterwards all that is left is durable.
func (d *disk) cut(dir string) (Cut, error) {
	var c Cut
	ahead, err := d.settle(dir)
	if err != nil || ahead != "" {
		c.Spare = ahead
		return c, err
	}
	for _, op := range slices.Backward(d.pending) {
		if err := d.undo(dir, op, &c); err != nil {
			return c, err
		}
	}
	d.pending = nil
	return c, eachFile(dir, func(file string, size int64) error { return d.shorten(dir, file, size, &c) })
}

// settle looks, after a node has ended in whatever way, whether the disk is ahead of the event log. If so it takes all that
// is there for durable and says what shows it.
func (d *disk) settle(dir string) (ahead string, err error) {
	here := map[string]int64{}
	if err := eachFile(dir, func(file string, size int64) error { here[file] = size; return nil }); err != nil {
		return "", err
	}
	for file := range d.synced {
		unsure := slices.ContainsFunc(d.pending, func(p FileOp) bool { return made(p) == file })
		switch _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(file))); {
		case errors.Is(err, fs.ErrNotExist) && !unsure:
			ahead = file + " is gone, and no event tells of it"
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
	for file := range here {
		if _, told := d.synced[file]; !told {
			ahead = file + " is there, and no event tells of it"
		}
	}
	if ahead != "" {
		d.synced, d.pending = here, nil
	}
	return ahead, nil
}

// eachFile calls do with each file's name, relative to dir, and its size. No dir: no files.
func eachFile(dir string, do func(file string, size int64) error) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if name == dir && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return do(filepath.ToSlash(rel), info.Size())
	})
}

// undo takes back a name that no sync of its directory has made durable.
func (d *disk) undo(dir string, op FileOp, c *Cut) error {
	name := filepath.Join(dir, op.File)
	c.Names = append(c.Names, made(op))
	if op.Op == "create" {
		maps.DeleteFunc(d.synced, func(file string, _ int64) bool { return file == op.File || strings.HasPrefix(file, op.File+"/") })
		return os.RemoveAll(name)
	}
	d.move(op.To, op.File)
	err := os.Rename(filepath.Join(dir, op.To), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the kill came between its removal and the event
	}
	return err
}

// shorten cuts one file back to its durable length.
func (d *disk) shorten(dir, file string, size int64, c *Cut) error {
	length, known := d.synced[file]
	if !known || size <= length {
		return nil
	}
	c.Bytes += size - length
	c.Files = append(c.Files, file)
	return os.Truncate(filepath.Join(dir, filepath.FromSlash(file)), length)
}
