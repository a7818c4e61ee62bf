package storage

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

// memFS is a file system in memory that knows what a loss of power would leave of it.
type memFS struct {
	mu    sync.Mutex // guards everything below
	dirs  map[string]*memDir
	locks map[string]bool
	// fault is asked before each step that changes something; nil = no faults. On an error, a
	// write still puts down its first keep bytes.
	fault func(memStep) (keep int, err error)
	// readFault is asked before each ReadAt.
	readFault func(name string, offset int64) error
}

// memStep is one change of the file system.
type memStep struct {
	op     string // mkdir, create, write, truncate, sync, rename, remove, syncdir
	name   string
	to     string // of a rename
	data   []byte // of a write
	offset int64  // of a write
}

type memDir struct {
	durable bool // its own name is
	names   map[string]*memFile
	synced  map[string]*memFile // as a loss of power would leave it
	changes []memNaming         // of names, since the last sync
}

// memNaming gives a file a name, unless that is empty, and takes one away, unless that is empty.
type memNaming struct {
	file    *memFile
	to, not string
}

func (c memNaming) apply(names map[string]*memFile) {
	if c.to != "" {
		names[c.to] = c.file
	}
	if c.not != "" {
		delete(names, c.not)
	}
}

// change is a naming that takes place now.
func (d *memDir) change(c memNaming) {
	c.apply(d.names)
	d.changes = append(d.changes, c)
}

type memFile struct {
	data    []byte // as reads see it
	synced  []byte // as the disk surely has it
	changes []memChange
}

// memChange is a write that is not synced, or with nil data a truncation to offset.
type memChange struct {
	offset int64
	data   []byte
}

func newMemFS() *memFS {
	f := &memFS{dirs: map[string]*memDir{}, locks: map[string]bool{}}
	f.dirs["/"] = &memDir{durable: true, names: map[string]*memFile{}, synced: map[string]*memFile{}}
	return f
}

func resize(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

// step asks for a fault. It is called with mu held.
func (f *memFS) step(s memStep) (int, error) {
	if f.fault == nil {
		return 0, nil
	}
	return f.fault(s)
}

func (f *memFS) dir(path string) (*memDir, error) {
	if d := f.dirs[path]; d != nil {
		return d, nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

func (f *memFS) Mkdir(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs[path] != nil {
		return fs.ErrExist
	}
	if _, err := f.dir(filepath.Dir(path)); err != nil {
		return err
	}
	if _, err := f.step(memStep{op: "mkdir", name: path}); err != nil {
		return err
	}
	f.dirs[path] = &memDir{names: map[string]*memFile{}, synced: map[string]*memFile{}}
	return nil
}

func (f *memFS) ReadDir(path string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(path)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(d.names)), nil
}

func (f *memFS) Create(name string) (File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	if d.names[filepath.Base(name)] != nil {
		return nil, fs.ErrExist
	}
	if _, err := f.step(memStep{op: "create", name: name}); err != nil {
		return nil, err
	}
	file := &memFile{}
	d.change(memNaming{file: file, to: filepath.Base(name)})
	return &memHandle{f, file, name}, nil
}

func (f *memFS) Open(name string) (File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	file := d.names[filepath.Base(name)]
	if file == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memHandle{f, file, name}, nil
}

func (f *memFS) Rename(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(filepath.Dir(from))
	if err != nil {
		return err
	}
	if filepath.Dir(from) != filepath.Dir(to) {
		return errors.New("memFS renames within a directory only")
	}
	file := d.names[filepath.Base(from)]
	if file == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if _, err := f.step(memStep{op: "rename", name: from, to: to}); err != nil {
		return err
	}
	d.change(memNaming{file: file, to: filepath.Base(to), not: filepath.Base(from)})
	return nil
}

func (f *memFS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(filepath.Dir(name))
	if err != nil {
		return err
	}
	if d.names[filepath.Base(name)] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if _, err := f.step(memStep{op: "remove", name: name}); err != nil {
		return err
	}
	d.change(memNaming{not: filepath.Base(name)})
	return nil
}

func (f *memFS) SyncDir(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, err := f.dir(path)
	if err != nil {
		return err
	}
	if _, err := f.step(memStep{op: "syncdir", name: path}); err != nil {
		return err
	}
	d.synced, d.changes = maps.Clone(d.names), nil
	for name, sub := range f.dirs {
		if name != path && filepath.Dir(name) == path {
			sub.durable = true
		}
	}
	return nil
}

func (f *memFS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locks[name] {
		return nil, ErrLocked
	}
	f.locks[name] = true
	return closerFunc(func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.locks, name)
		return nil
	}), nil
}

type closerFunc func() error

func (c closerFunc) Close() error { return c() }

type memHandle struct {
	fs   *memFS
	file *memFile
	name string
}

func (h *memHandle) ReadAt(p []byte, offset int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.readFault != nil {
		if err := h.fs.readFault(h.name, offset); err != nil {
			return 0, err
		}
	}
	if offset >= int64(len(h.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.file.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memFile) write(p []byte, offset int64) {
	if len(p) > 0 {
		m.data = resize(m.data, max(int64(len(m.data)), offset+int64(len(p))))
		copy(m.data[offset:], p)
		m.changes = append(m.changes, memChange{offset, slices.Clone(p)})
	}
}

func (h *memHandle) WriteAt(p []byte, offset int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, err := h.fs.step(memStep{op: "write", name: h.name, data: p, offset: offset})
	if err == nil {
		n = len(p)
	}
	h.file.write(p[:n], offset)
	if errors.Is(err, io.ErrShortWrite) {
		err = nil // the count alone tells
	}
	return n, err
}

func (h *memHandle) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if _, err := h.fs.step(memStep{op: "truncate", name: h.name}); err != nil {
		return err
	}
	h.file.data = resize(h.file.data, size)
	h.file.changes = append(h.file.changes, memChange{offset: size})
	return nil
}

// Sync that fails leaves the pages clean, as Linux does: reads still see them, no later Sync writes them.
func (h *memHandle) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	changes := h.file.changes
	h.file.changes = nil
	if _, err := h.fs.step(memStep{op: "sync", name: h.name}); err != nil {
		return err
	}
	for _, c := range changes {
		h.file.synced = c.apply(h.file.synced)
	}
	return nil
}

func (h *memHandle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return int64(len(h.file.data)), nil
}

func (h *memHandle) Close() error { return nil }

// file returns the file at path for a test to spoil; nil if there is none.
func (f *memFS) file(path string) *memFile {
	d := f.dirs[filepath.Dir(path)]
	if d == nil {
		return nil
	}
	return d.names[filepath.Base(path)]
}

// put makes or replaces a durable file.
func (f *memFS) put(path string, data []byte) {
	d := f.dirs[filepath.Dir(path)]
	file := &memFile{data: slices.Clone(data), synced: slices.Clone(data)}
	d.names[filepath.Base(path)], d.synced[filepath.Base(path)] = file, file
}

// drop removes a file, durably.
func (f *memFS) drop(path string) {
	d := f.dirs[filepath.Dir(path)]
	delete(d.names, filepath.Base(path))
	delete(d.synced, filepath.Base(path))
}

// names lists what is below dir, relative to it, with each file's bytes.
func (f *memFS) contents(dir string) map[string]string {
	all := map[string]string{}
	for path, d := range f.dirs {
		if path != dir && !strings.HasPrefix(path, dir+"/") {
			continue
		}
		for name, file := range d.names {
			all[filepath.Join(path, name)] = string(file.data)
		}
	}
	return all
}
