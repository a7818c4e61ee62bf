package vfs

import (
	"errors"
	"io"
	"slices"
)

// memFile is a file of a Mem, whose mu guards it.
type memFile struct {
	data    []byte // as reads see it
	synced  []byte // as the disk surely has it
	changes []change
}

// change is a write that is not synced, or with nil data a truncation to offset.
type change struct {
	offset int64
	data   []byte
}

// keptWrites is how many writes at one place are remembered, if nothing else comes in between.
const keptWrites = 8

func (f *memFile) write(p []byte, offset int64) {
	if len(p) == 0 {
		return
	}
	c := change{offset, nil}
	if n := len(f.changes); n >= keptWrites && !slices.ContainsFunc(f.changes[n-keptWrites:], func(old change) bool {
		return old.offset != offset || len(old.data) != len(p)
	}) {
		// A file that is written again and again and never synced would remember without end.
		c.data = f.changes[n-keptWrites].data[:0]
		f.changes = slices.Delete(f.changes, n-keptWrites, n-keptWrites+1)
	}
	c.data = append(c.data, p...)
	f.data = c.apply(f.data)
	f.changes = append(f.changes, c)
}

func (f *memFile) truncate(size int64) {
	c := change{offset: size}
	f.data = c.apply(f.data)
	f.changes = append(f.changes, c)
}

// sync takes only what has changed to the disk.
func (f *memFile) sync() {
	for _, c := range f.changes {
		f.synced = c.apply(f.synced)
	}
	f.forget()
}

// forget takes what is not synced for written, as the kernel does when it could not write it.
func (f *memFile) forget() {
	clear(f.changes)
	f.changes = f.changes[:0]
}

// apply does to data what the change asked for.
func (c change) apply(data []byte) []byte {
	if c.data == nil {
		return resize(data, c.offset)
	}
	data = resize(data, max(c.offset+int64(len(c.data)), int64(len(data))))
	copy(data[c.offset:], c.data)
	return data
}

func resize(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

// memHandle is an open file.
type memHandle struct {
	mem  *Mem
	file *memFile
	name string
}

func (h *memHandle) ReadAt(p []byte, offset int64) (int, error) {
	if h.mem.ReadFault != nil {
		if err := h.mem.ReadFault(h.name, offset); err != nil {
			return 0, err
		}
	}
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
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
	h.mem.turn.Lock()
	defer h.mem.turn.Unlock()
	n, err := h.mem.ask(Step{Op: OpWrite, Name: h.name, Data: p, Offset: offset})
	if err == nil {
		n = len(p)
	}
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	h.file.write(p[:n], offset)
	if errors.Is(err, io.ErrShortWrite) {
		err = nil // the count alone tells
	}
	return n, err
}

func (h *memHandle) Truncate(size int64) error {
	h.mem.turn.Lock()
	defer h.mem.turn.Unlock()
	if _, err := h.mem.ask(Step{Op: OpTruncate, Name: h.name, Offset: size}); err != nil {
		return err
	}
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	h.file.truncate(size)
	return nil
}

// Sync that fails leaves the pages clean, as Linux does: reads still see them, no later Sync writes them.
func (h *memHandle) Sync() error {
	h.mem.turn.Lock()
	defer h.mem.turn.Unlock()
	_, err := h.mem.ask(Step{Op: OpSync, Name: h.name})
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if err != nil {
		h.file.forget()
		return err
	}
	h.file.sync()
	return nil
}

func (h *memHandle) Size() (int64, error) {
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	return int64(len(h.file.data)), nil
}

func (h *memHandle) Close() error { return nil }
