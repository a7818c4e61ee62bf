package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"whitewater/pkg/raft/protocol"
	"whitewater/pkg/raft/storage/vfs"
)

// Report is what Inspect found in a data directory.
type Report struct {
	Dir         string // absolute
	Running     bool   // another process has it open: what is read may be half written
	Cluster     string
	Node        protocol.NodeID
	DirectoryID string
	Bootstrap   []protocol.NodeID // the voters that the cluster began with; none: the node joined it
	MarkSegment uint64            // synced before MarkOffset of this segment; 0 = no mark
	MarkOffset  int64

	Segments  []SegmentReport
	Snapshots []SnapshotReport
	Ignored   []string // files that belong to nothing, relative to Dir

	// State is what Open would recover, without the entries' data. After damage it holds what could be
	// read before it.
	State protocol.State
	Terms []TermReport
	// Configurations are the configuration entries of the recovered log, ascending. The last one is in force, or else
	// the snapshot's.
	Configurations []ConfigurationReport
	TornFile       string // where Open would cut an unfinished write off; empty = nowhere
	TornAt         int64
	TornSize       int64

	// Faults are all that does not verify, first what Open would refuse to start for, if it would; then
	// configurations that cannot be read, which Open accepts and a node does not. An unfinished write is none.
	Faults []*CorruptError
}

// Sound reports whether Open would accept the directory, every byte that it relies on verified, and every
// configuration that matters can be read.
func (r *Report) Sound() bool { return len(r.Faults) == 0 }

// SegmentReport is what one segment holds, replaced entries too.
type SegmentReport struct {
	File       string // relative to the data directory
	Number     uint64
	Bytes      int64
	First      protocol.Index // one past the last index when it was begun
	Batches    int
	Entries    int
	HardStates int
	Bases      int
	Low, High  protocol.Position // entries with the lowest and the highest index; zero = none
	// Unused: a loss of power gave back what had been removed. Open would remove it again, and so it is not read.
	Unused bool
	// Bad is the offset of the first batch that does not verify, -1 = none. Whether it is damage or an
	// unfinished write is told by Faults and TornFile.
	Bad int64
}

// SnapshotReport is one snapshot file.
type SnapshotReport struct {
	File  string // relative to the data directory
	Bytes int64
	Meta  protocol.SnapshotMeta // zero if the file's head cannot be read
	// Configuration is that of Meta; nil if Meta has none, or is not known.
	Configuration *ConfigurationReport
	Use           string // newest, older, unused (Open would remove it), draft (so too), damaged
}

// TermReport is a stretch of the log.
type TermReport struct {
	Term        protocol.Term
	First, Last protocol.Index
}

// RecordReport is one record of the log.
type RecordReport struct {
	File   string
	Offset int64 // of its batch
	Text   string
}

// Inspect reads all of a data directory and changes nothing. A damaged directory is reported, not
// refused; an error means that there is none, that it is of another format version, or that reading
// failed. While it reads, it holds the directory's lock shared. Each record is handed to visit, unless that is nil.
func Inspect(dir string, visit func(RecordReport)) (*Report, error) {
	return inspect(vfs.ReadOnlyDisk(), dir, visit)
}

func inspect(files FS, dir string, visit func(RecordReport)) (report *Report, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	i := &inspection{
		volume: &volume{fs: files, dir: abs}, visit: visit,
		report: &Report{Dir: abs},
	}
	lock, err := files.Lock(i.volume.path(lockName))
	switch {
	case errors.Is(err, ErrLocked):
		i.report.Running = true
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	if err := i.run(); err != nil {
		return nil, fmt.Errorf("inspect data directory %s: %w", dir, err)
	}
	return i.report, nil
}

type inspection struct {
	volume    *volume
	directory directoryID
	leftovers []uint64           // segments that Open would remove unread
	visit     func(RecordReport) // may be nil
	report    *Report
}

func (i *inspection) run() error {
	m, err := readMeta(i.volume)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it is no data directory, or one that was never finished: %w", err)
	}
	if err == nil {
		if i.directory, err = m.directoryID(); err != nil {
			err = i.volume.corrupt(metaName, 0, err)
		}
	}
	if err != nil {
		return i.fault(err) // nothing else can be verified without the directory's id
	}
	i.report.Cluster, i.report.Node, i.report.DirectoryID, i.report.Bootstrap = m.Cluster, m.Node, m.Directory, m.Bootstrap
	mark, _, err := readMark(i.volume, i.directory)
	if err != nil {
		return err
	}
	i.report.MarkSegment, i.report.MarkOffset = mark.segment, mark.offset
	unused, err := i.recover(mark)
	if err == nil {
		err = i.segments()
	}
	if err == nil {
		err = i.snapshots(unused)
	}
	return err
}

// fault takes damage into the report, and returns any other error.
func (i *inspection) fault(err error) error {
	corrupt, ok := errors.AsType[*CorruptError](err)
	if !ok {
		return err
	}
	for _, known := range i.report.Faults {
		if known.File == corrupt.File && known.Offset == corrupt.Offset {
			return nil
		}
	}
	i.report.Faults = append(i.report.Faults, corrupt)
	return nil
}

// recover does what Open does, up to where that would begin to change anything. It returns which
// snapshot files Open would remove.
func (i *inspection) recover(m mark) (unused []string, err error) {
	r := &recovery{volume: i.volume, logger: slog.New(slog.DiscardHandler), directory: i.directory, mark: m}
	err = r.read()
	if r.tail.segment != nil && err == nil {
		err = r.tail.segment.Close()
	}
	if err == nil {
		s := &snapshots{volume: i.volume, directory: i.directory, logger: r.logger}
		unused, err = s.load(r)
	}
	r.state.Compacted = r.base.compacted
	i.report.State, i.leftovers = r.state, r.leftovers
	for n, e := range r.state.Entries {
		i.noteTerm(e.Position())
		if e.Kind == protocol.EntryConfiguration {
			i.report.Configurations = append(i.report.Configurations, parseConfiguration(e.Position(), e.Data))
		}
		r.state.Entries[n].Data = nil
	}
	if t := &r.tail; err == nil && t.size > t.end {
		i.report.TornFile, i.report.TornAt, i.report.TornSize = t.segment.name, t.end, t.size-t.end
	}
	return unused, i.fault(err)
}

func (i *inspection) noteTerm(p protocol.Position) {
	terms := i.report.Terms
	if n := len(terms); n == 0 || terms[n-1].Term != p.Term {
		i.report.Terms = append(terms, TermReport{p.Term, p.Index, p.Index})
		return
	}
	terms[len(terms)-1].Last = p.Index
}

// snapshots reads every snapshot file whole.
func (i *inspection) snapshots(unused []string) error {
	names, err := i.volume.fs.ReadDir(i.volume.path(snapDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // as directories were before there were snapshots
	}
	if err != nil {
		return err
	}
	remove := map[string]bool{}
	for _, name := range unused {
		remove[name] = true
	}
	for _, name := range names {
		file := snapDir + "/" + name
		draft := file == savingName || file == receivingName
		if !isSnapshotName(name) && !draft {
			i.report.Ignored = append(i.report.Ignored, file)
			continue
		}
		s := SnapshotReport{File: file, Use: "draft"}
		if s.Bytes, err = i.volume.size(file); err != nil {
			return err
		}
		if !draft {
			if err := i.snapshot(&s, remove[file]); err != nil {
				return err
			}
		}
		i.report.Snapshots = append(i.report.Snapshots, s)
	}
	return nil
}

func (i *inspection) snapshot(s *SnapshotReport, unused bool) error {
	set := &snapshots{volume: i.volume, directory: i.directory}
	meta, err := set.check(s.File)
	if err == nil {
		s.Meta = meta
		err = set.verify(meta)
	}
	if err == nil {
		err = i.snapshotConfiguration(s)
	}
	switch {
	case err != nil && s.Configuration == nil: // Open takes one that only cannot be read
		s.Use = "damaged"
	case s.Meta == i.report.State.Snapshot:
		s.Use = "newest"
	case unused:
		s.Use = "unused"
	default:
		s.Use = "older"
	}
	return i.fault(err)
}
