package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
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
}

// errCannotUndo means that a power loss would bring back bytes that nobody has any more.
var errCannotUndo = errors.New("cannot undo on this file system")

// disk is what of one data directory is durable. It outlives the node's incarnations: a plain kill
// leaves the page cache, so a file that one incarnation left unsynced stays so in the next.
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
			d.pending = append(d.pending, FileOp{Op: op.Op, File: file})
		case "sync":
			d.synced[file] = op.Length
		case "syncdir":
			d.pending = slices.DeleteFunc(d.pending, func(p FileOp) bool {
				name := p.File
				if p.Op == "rename" {
					name = p.To
				}
				return path.Dir(name) == file
			})
		}
	}
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
	for i := len(d.pending) - 1; i >= 0; i-- {
		if err := d.undo(dir, i, &c); err != nil {
			return c, err
		}
	}
	d.pending = nil
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return d.shorten(dir, name, &c)
	})
	return c, err
}

// undo takes back the i-th name that no sync of its directory has made durable.
func (d *disk) undo(dir string, i int, c *Cut) error {
	op := d.pending[i]
	name := filepath.Join(dir, op.File)
	switch op.Op {
	case "create":
		c.Names = append(c.Names, op.File)
		delete(d.synced, op.File)
		return os.RemoveAll(name)
	case "rename":
		c.Names = append(c.Names, op.To)
		d.move(op.To, op.File)
		err := os.Rename(filepath.Join(dir, op.To), name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed since, or the kill came between the rename and its event
		}
		return err
	case "remove":
		for _, before := range d.pending[:i] {
			if before.Op == "create" && before.File == op.File || before.Op == "rename" && before.To == op.File {
				return nil // its making is undone too
			}
		}
		return fmt.Errorf("bring back %s, removed without a sync of its directory: %w", op.File, errCannotUndo)
	}
	return nil
}

// shorten cuts one file back to its durable length. A file that the log never names is none of the
// storage's durable ones (a lock, say) and stays as it is.
func (d *disk) shorten(dir, name string, c *Cut) error {
	rel, err := filepath.Rel(dir, name)
	if err != nil {
		return err
	}
	length, known := d.synced[filepath.ToSlash(rel)]
	info, err := os.Stat(name)
	if err != nil || !known || info.Size() <= length {
		return err
	}
	c.Bytes += info.Size() - length
	c.Files = append(c.Files, filepath.ToSlash(rel))
	return os.Truncate(name, length)
}
