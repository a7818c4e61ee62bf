package storage

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// loss is what a crash leaves of what was not synced.
type loss int

const (
	lossNone   loss = iota // kill -9: the page cache lives on
	lossAll                // power: nothing that was not synced
	lossSector             // power: any of the sectors, the last of them torn; any number of the names
	lossNames              // power: all of the bytes, any of the names
	losses                 // how many there are
)

// crash returns what another process finds after this one died, or the machine did.
func (f *memFS) crash(how loss, rng *rand.Rand) *memFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashLocked(how, rng)
}

func (f *memFS) crashLocked(how loss, rng *rand.Rand) *memFS {
	after := newMemFS()
	files := map[*memFile]*memFile{}
	keep := func(file *memFile) *memFile {
		if file != nil && files[file] == nil {
			files[file] = file.crash(how, rng)
		}
		return files[file]
	}
	for _, path := range slices.Sorted(maps.Keys(f.dirs)) {
		d := f.dirs[path]
		if how == lossAll && (!d.durable || path != "/" && after.dirs[filepath.Dir(path)] == nil) {
			continue
		}
		left := &memDir{durable: d.durable || how != lossNone, names: map[string]*memFile{}, synced: map[string]*memFile{}}
		for name, file := range d.synced {
			left.synced[name], left.names[name] = keep(file), keep(file)
		}
		journal := 0 // a journal keeps the order of names
		if how == lossSector {
			journal = rng.IntN(len(d.changes) + 1)
		}
		for i, c := range d.changes {
			c.file = keep(c.file)
			switch {
			case how == lossNone:
				left.change(c)
			case how == lossSector && i < journal, how == lossNames && rng.IntN(2) == 0:
				c.apply(left.names)
			}
		}
		if how != lossNone {
			left.synced = maps.Clone(left.names)
		}
		after.dirs[path] = left
	}
	return after
}

const sectorBytes = 512

func (m *memFile) crash(how loss, rng *rand.Rand) *memFile {
	data := slices.Clone(m.synced)
	switch how {
	case lossNone:
		return &memFile{data: slices.Clone(m.data), synced: data, changes: slices.Clone(m.changes)}
	case lossNames:
		for _, c := range m.changes {
			data = c.apply(data)
		}
	case lossSector:
		for _, c := range m.changes {
			data = c.loseSectors(data, rng)
		}
	}
	return &memFile{data: data, synced: slices.Clone(data)}
}

// apply does to data what the change asked for.
func (c memChange) apply(data []byte) []byte {
	if c.data == nil {
		return resize(data, c.offset)
	}
	data = resize(data, max(c.offset+int64(len(c.data)), int64(len(data))))
	copy(data[c.offset:], c.data)
	return data
}

// loseSectors does any part of it: sectors arrive in any order or not at all, one may be torn.
func (c memChange) loseSectors(data []byte, rng *rand.Rand) []byte {
	if c.data == nil {
		if rng.IntN(2) == 0 {
			data = c.apply(data)
		}
		return data
	}
	for at := 0; at < len(c.data); {
		n := min(len(c.data)-at, sectorBytes-int((c.offset+int64(at))%sectorBytes))
		sector := memChange{c.offset + int64(at), c.data[at : at+n]}
		switch rng.IntN(8) {
		case 0, 1, 2, 3:
			data = sector.apply(data)
		case 4: // the length arrived, the bytes did not
			data = resize(data, max(sector.offset+int64(n), int64(len(data))))
		case 5: // torn within
			sector.data = sector.data[:rng.IntN(n)+1]
			data = sector.apply(data)
		}
		at += n
	}
	return data
}
