package storage

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
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
	op   string // mkdir, create, write, truncate, sync, rename, remove, syncdir
	name string
	size int // of a write
}

type memDir struct {
	durable bool // its own name is
	names   map[string]*memFile
	synced  map[string]*memFile // as a loss of power would leave it
	changes []map[string]*memFile
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

// loss is what a crash leaves of what was not synced.
type loss int

const (
	lossNone   loss = iota // kill -9: the page cache lives on
	lossAll                // power: nothing that was not synced
	lossSector             // power: any of the sectors, any number of the names
)

func newMemFS() *memFS {
	f := &memFS{dirs: map[string]*memDir{}, locks: map[string]bool{}}
	f.dirs["/"] = &memDir{durable: true, names: map[string]*memFile{}, synced: map[string]*memFile{}}
	return f
}

// crash returns what another process finds after this one died, or the machine did.
func (f *memFS) crash(how loss, rng *rand.Rand) *memFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	after := newMemFS()
	files := map[*memFile]*memFile{}
	keep := func(from map[string]*memFile) map[string]*memFile {
		to := map[string]*memFile{}
		for name, file := range from {
			if files[file] == nil {
				files[file] = file.crash(how, rng)
			}
			to[name] = files[file]
		}
		return to
	}
	for _, path := range slices.Sorted(maps.Keys(f.dirs)) {
		d := f.dirs[path]
		if how == lossAll && !d.durable {
			continue
		}
		left := &memDir{durable: d.durable, synced: keep(d.synced)}
		switch how {
		case lossNone:
			left.names = keep(d.names)
			for _, c := range d.changes {
				left.changes = append(left.changes, keep(c))
			}
		case lossAll:
			left.names = maps.Clone(left.synced)
		case lossSector: // a journal keeps the order of names
			left.names = maps.Clone(left.synced)
			if n := rng.IntN(len(d.changes) + 1); n > 0 {
				left.names = keep(d.changes[n-1])
			}
			left.durable, left.synced = true, maps.Clone(left.names)
		}
		after.dirs[path] = left
	}
	return after
}

const sectorBytes = 512

func (m *memFile) crash(how loss, rng *rand.Rand) *memFile {
	if how == lossNone {
		return &memFile{data: slices.Clone(m.data), synced: slices.Clone(m.synced), changes: slices.Clone(m.changes)}
	}
	data := slices.Clone(m.synced)
	if how == lossSector {
		for _, c := range m.changes {
			if c.data == nil {
				if rng.IntN(2) == 0 {
					data = resize(data, c.offset)
				}
				continue
			}
			for at := 0; at < len(c.data); {
				n := min(len(c.data)-at, sectorBytes-int((c.offset+int64(at))%sectorBytes))
				end := c.offset + int64(at+n)
				if rng.IntN(2) == 0 {
					data = resize(data, max(end, int64(len(data))))
					copy(data[c.offset+int64(at):], c.data[at:at+n])
				} else if rng.IntN(4) == 0 { // the length arrived, the bytes did not
					data = resize(data, max(end, int64(len(data))))
				}
				at += n
			}
		}
	}
	return &memFile{data: data, synced: slices.Clone(data)}
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
	d.names[filepath.Base(name)] = file
	d.changes = append(d.changes, maps.Clone(d.names))
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
	if _, err := f.step(memStep{op: "rename", name: from}); err != nil {
		return err
	}
	d.names[filepath.Base(to)] = d.names[filepath.Base(from)]
	delete(d.names, filepath.Base(from))
	d.changes = append(d.changes, maps.Clone(d.names))
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
	delete(d.names, filepath.Base(name))
	d.changes = append(d.changes, maps.Clone(d.names))
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

func (h *memHandle) WriteAt(p []byte, offset int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, err := h.fs.step(memStep{op: "write", name: h.name, size: len(p)})
	if err == nil {
		n = len(p)
	}
	if n > 0 {
		h.file.data = resize(h.file.data, max(int64(len(h.file.data)), offset+int64(n)))
		copy(h.file.data[offset:], p[:n])
		h.file.changes = append(h.file.changes, memChange{offset, slices.Clone(p[:n])})
	}
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
		if c.data == nil {
			h.file.synced = resize(h.file.synced, c.offset)
			continue
		}
		end := c.offset + int64(len(c.data))
		h.file.synced = resize(h.file.synced, max(int64(len(h.file.synced)), end))
		copy(h.file.synced[c.offset:], c.data)
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
