package vfs

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// Loss is what a crash leaves of what was not synced.
type Loss int

// The losses.
const (
	KeepAll     Loss = iota // kill -9: the page cache lives on
	LoseAll                 // power: nothing that was not synced
	LoseSectors             // power: any of the sectors, some of them torn; the names up to any one
	LoseNames               // power: all of the bytes, any of the names
	Losses                  // how many there are
)

func (l Loss) String() string {
	return [...]string{"keep all", "lose all", "lose sectors", "lose names"}[l]
}

// Crash returns what another process finds after this one died, or the machine did. The Mem itself stays as it is.
// KeepAll and LoseAll need no random numbers. What Crash returns has no faults and no locks.
func (m *Mem) Crash(how Loss, rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem()
	files := map[*memFile]*memFile{}
	keep := func(file *memFile) *memFile {
		if file != nil && files[file] == nil {
			files[file] = file.crash(how, rng)
		}
		return files[file]
	}
	for _, path := range slices.Sorted(maps.Keys(m.dirs)) {
		d := m.dirs[path]
		if how == LoseAll && (!d.durable || path != "/" && after.dirs[filepath.Dir(path)] == nil) {
			continue
		}
		after.dirs[path] = d.crash(how, rng, keep)
	}
	return after
}

func (d *memDir) crash(how Loss, rng *rand.Rand, keep func(*memFile) *memFile) *memDir {
	left := newMemDir(d.durable || how != KeepAll)
	for _, name := range slices.Sorted(maps.Keys(d.synced)) { // sorted, since keep draws
		left.names[name] = keep(d.synced[name])
	}
	left.synced = maps.Clone(left.names)
	journal := 0 // a journal keeps the order of names
	if how == LoseSectors {
		journal = rng.IntN(len(d.changes) + 1)
	}
	for i, n := range d.changes {
		n.file = keep(n.file)
		switch {
		case how == KeepAll:
			left.change(n)
		case how == LoseSectors && i < journal, how == LoseNames && rng.IntN(2) == 0:
			n.apply(left.names)
		}
	}
	if how != KeepAll {
		left.synced = maps.Clone(left.names)
	}
	return left
}

const sectorBytes = 512

func (f *memFile) crash(how Loss, rng *rand.Rand) *memFile {
	data := slices.Clone(f.synced)
	switch how {
	case KeepAll:
		left := &memFile{data: slices.Clone(f.data), synced: data}
		for _, c := range f.changes {
			left.changes = append(left.changes, change{c.offset, slices.Clone(c.data)})
		}
		return left
	case LoseNames:
		for _, c := range f.changes {
			data = c.apply(data)
		}
	case LoseSectors:
		for _, c := range f.changes {
			data = c.loseSectors(data, rng)
		}
	}
	return &memFile{data: data, synced: slices.Clone(data)}
}

// loseSectors does any part of it: sectors arrive in any order or not at all, some torn.
func (c change) loseSectors(data []byte, rng *rand.Rand) []byte {
	if c.data == nil {
		if rng.IntN(2) == 0 {
			data = c.apply(data)
		}
		return data
	}
	for at := 0; at < len(c.data); {
		n := min(len(c.data)-at, sectorBytes-int((c.offset+int64(at))%sectorBytes))
		sector := change{c.offset + int64(at), c.data[at : at+n]}
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
