package storage

import (
	"slices"
	"strings"
	"testing"

	"whitewater/pkg/raft/storage/vfs"
)

// fileIn returns a copy of a file's bytes; nil if there is none.
func fileIn(files *vfs.Mem, path string) []byte {
	h, err := files.Open(path)
	if err != nil {
		return nil
	}
	size, _ := h.Size()
	data := make([]byte, size)
	_, _ = h.ReadAt(data, 0)
	return data
}

// edit makes a file's bytes durably what change makes of them, as no program would.
func edit(files *vfs.Mem, path string, change func([]byte) []byte) {
	files.Put(path, change(fileIn(files, path)))
}

// flip flips the bits of mask in the byte at offset.
func flip(files *vfs.Mem, path string, offset int64, mask byte) {
	edit(files, path, func(data []byte) []byte {
		data[offset] ^= mask
		return data
	})
}

// cut shortens a file.
func cut(files *vfs.Mem, path string, size int64) {
	edit(files, path, func(data []byte) []byte { return data[:size] })
}

// lengthen puts bytes behind a file's last.
func lengthen(files *vfs.Mem, path string, tail ...byte) {
	edit(files, path, func(data []byte) []byte { return append(data, tail...) })
}

// writeTo writes as a program would.
func writeTo(t testing.TB, files *vfs.Mem, path string, data []byte, offset int64) {
	t.Helper()
	h, err := files.Open(path)
	must(t, err)
	_, err = h.WriteAt(data, offset)
	must(t, err)
}

// paths lists the data files of a directory, sorted.
func paths(files *vfs.Mem) []string {
	var all []string
	for name := range files.Contents(testDir) {
		if !strings.HasSuffix(name, lockName) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
