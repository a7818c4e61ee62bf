package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The changes that a Step can be.
const (
	OpMkdir    = "mkdir"
	OpCreate   = "create"
	OpWrite    = "write"
	OpTruncate = "truncate"
	OpSync     = "sync"
	OpRename   = "rename"
	OpRemove   = "remove"
	OpSyncDir  = "syncdir"
)

// Step is one change of a Mem.
type Step struct {
	Op     string // one of OpMkdir to OpSyncDir
	Name   string // the path that was given
	To     string // of a rename
	Data   []byte // of a write; not to be kept
	Offset int64  // of a write; of a truncation: the new length
}

// Mem is a file system in memory that knows what a crash would leave of it. Its only directory, at first, is "/".
type Mem struct {
	// Fault is asked before each step that would succeed, one at a time; nil: all do. An error makes the step
	// fail: of a write the first keep bytes arrive all the same, of anything else nothing does. io.ErrShortWrite
	// makes a write that is short without an error. Fault may read the Mem and crash it, and must not change it
	// but by Put and Drop.
	Fault func(Step) (keep int, err error)
	// ReadFault is asked before each ReadAt, also by several goroutines at a time; nil: all succeed. It may do what
	// Fault may.
	ReadFault func(name string, offset int64) error

	turn sync.Mutex // held over a change, while Fault is asked too
	mu   sync.Mutex // guards everything below, and the files
	dirs map[string]*memDir
	held map[string]bool // locks
}

type memDir struct {
	durable bool // its own name is
	names   map[string]*memFile
	synced  map[string]*memFile // as a loss of power would leave it
	changes []naming            // of names, since the last sync
}

func newMemDir(durable bool) *memDir {
	return &memDir{durable: durable, names: map[string]*memFile{}, synced: map[string]*memFile{}}
}

// naming gives a file a name, unless that is empty, and takes one away, unless that is empty.
type naming struct {
	file    *memFile
	to, not string
}

func (n naming) apply(names map[string]*memFile) {
	if n.to != "" {
		names[n.to] = n.file
	}
	if n.not != "" {
		delete(names, n.not)
	}
}

// change is a naming that takes place now.
func (d *memDir) change(n naming) {
	n.apply(d.names)
	d.changes = append(d.changes, n)
}

func (d *memDir) sync() { d.synced, d.changes = maps.Clone(d.names), nil }

// NewMem returns an empty file system.
func NewMem() *Mem {
	return &Mem{dirs: map[string]*memDir{"/": newMemDir(true)}, held: map[string]bool{}}
}

// ask asks for a fault. It is called with turn held, and without mu.
func (m *Mem) ask(s Step) (keep int, err error) {
	if m.Fault == nil {
		return 0, nil
	}
	return m.Fault(s)
}

func (m *Mem) dir(path string) (*memDir, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.dirs[path]; d != nil {
		return d, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// file returns a file's directory, which must be there, and the file, or nil.
func (m *Mem) file(path string) (*memDir, *memFile, error) {
	d, err := m.dir(filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return d, d.names[filepath.Base(path)], nil
}

// existing is file, of one that must be there.
func (m *Mem) existing(op, path string) (*memDir, *memFile, error) {
	d, file, err := m.file(path)
	if err == nil && file == nil {
		err = &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
	}
	return d, file, err
}

// Mkdir implements FS.
func (m *Mem) Mkdir(path string) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	if _, err := m.dir(path); err == nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: fs.ErrExist}
	}
	if _, err := m.dir(filepath.Dir(path)); err != nil {
		return err
	}
	if _, err := m.ask(Step{Op: OpMkdir, Name: path}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dirs[path] = newMemDir(false)
	return nil
}

// ReadDir implements FS. Directories are not listed.
func (m *Mem) ReadDir(path string) ([]string, error) {
	d, err := m.dir(path)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(d.names)), nil
}

// Create implements FS.
func (m *Mem) Create(path string) (File, error) {
	m.turn.Lock()
	defer m.turn.Unlock()
	d, file, err := m.file(path)
	if err != nil {
		return nil, err
	}
	if file != nil {
		return nil, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	if _, err := m.ask(Step{Op: OpCreate, Name: path}); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	file = &memFile{}
	d.change(naming{file: file, to: filepath.Base(path)})
	return &memHandle{m, file, path}, nil
}

// Open implements FS.
func (m *Mem) Open(path string) (File, error) {
	_, file, err := m.existing("open", path)
	if err != nil {
		return nil, err
	}
	return &memHandle{m, file, path}, nil
}

// Rename implements FS, within one directory.
func (m *Mem) Rename(from, to string) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	d, file, err := m.existing("rename", from)
	if err != nil {
		return err
	}
	if filepath.Dir(from) != filepath.Dir(to) {
		return errors.New("a Mem renames within a directory only")
	}
	if _, err := m.ask(Step{Op: OpRename, Name: from, To: to}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d.change(naming{file: file, to: filepath.Base(to), not: filepath.Base(from)})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(path string) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	d, _, err := m.existing("remove", path)
	if err != nil {
		return err
	}
	if _, err := m.ask(Step{Op: OpRemove, Name: path}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d.change(naming{not: filepath.Base(path)})
	return nil
}

// SyncDir implements FS. When it fails, the next one makes up for it.
func (m *Mem) SyncDir(path string) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	d, err := m.dir(path)
	if err != nil {
		return err
	}
	if _, err := m.ask(Step{Op: OpSyncDir, Name: path}); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d.sync()
	for name, sub := range m.dirs {
		if name != path && filepath.Dir(name) == path {
			sub.durable = true
		}
	}
	return nil
}

// Lock implements FS. No crash leaves a lock.
func (m *Mem) Lock(path string) (io.Closer, error) {
	if _, _, err := m.existing("lock", path); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[path] {
		return nil, ErrLocked
	}
	m.held[path] = true
	return memLock{m, path}, nil
}

type memLock struct {
	mem  *Mem
	path string
}

func (l memLock) Close() error {
	l.mem.mu.Lock()
	defer l.mem.mu.Unlock()
	delete(l.mem.held, l.path)
	return nil
}

// Put makes a file, or changes one that may be open, as no program would: bytes and name are durable, and so are the
// names around it; Fault is not asked. The directory must be there.
func (m *Mem) Put(path string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, name := m.dirs[filepath.Dir(path)], filepath.Base(path)
	file := d.names[name]
	if file == nil {
		file = &memFile{}
		d.names[name] = file
	}
	*file = memFile{data: slices.Clone(data), synced: slices.Clone(data)}
	d.sync()
}

// Drop takes a file away as Put would make it; nothing happens if there is none.
func (m *Mem) Drop(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d := m.dirs[filepath.Dir(path)]; d != nil {
		delete(d.names, filepath.Base(path))
		d.sync()
	}
}

// Contents returns the bytes of every file in dir and below, by path.
func (m *Mem) Contents(dir string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]string{}
	for path, d := range m.dirs {
		if path != dir && !strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") {
			continue
		}
		for name, file := range d.names {
			all[filepath.Join(path, name)] = string(file.data)
		}
	}
	return all
}
