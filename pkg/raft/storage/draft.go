package storage

import (
	"errors"
	"io/fs"

	"whitewater/pkg/raft/protocol"
)

// draft is a snapshot file being written under a name that nothing relies on.
type draft struct {
	volume   *volume
	file     *handle
	meta     protocol.SnapshotMeta // position and configuration; Size and Checksum of what is written so far
	blocks   []uint32              // checksums of whole blocks
	block    uint32                // of the block begun
	unsynced int64
}

// newDraft begins a snapshot of at's position and configuration.
func newDraft(v *volume, name string, at protocol.SnapshotMeta) (*draft, error) {
	// One may be left from an attempt that could not remove it.
	if err := v.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	h, err := v.create(name)
	if err != nil {
		return nil, err
	}
	at.Size, at.Checksum = 0, 0
	return &draft{volume: v, file: h, meta: at}, nil
}

// append writes more of the data.
func (d *draft) append(p []byte) error {
	if err := d.volume.write(d.file, p, dataAt(d.meta)+d.meta.Size); err != nil {
		return err
	}
	d.meta.Checksum = checksum(d.meta.Checksum, p)
	d.unsynced += int64(len(p))
	for len(p) > 0 {
		n := min(int64(len(p)), snapBlockBytes-d.meta.Size%snapBlockBytes)
		d.block = checksum(d.block, p[:n])
		p, d.meta.Size = p[n:], d.meta.Size+n
		if d.meta.Size%snapBlockBytes == 0 {
			d.blocks, d.block = append(d.blocks, d.block), 0
		}
	}
	if d.unsynced < snapSyncBytes {
		return nil
	}
	d.unsynced = 0
	return d.volume.sync(d.file, dataAt(d.meta)+d.meta.Size)
}

// finish makes the whole file durable, under the draft's name.
func (d *draft) finish(directory directoryID) error {
	head := appendSnapHead(nil, directory, d.meta)
	if err := d.volume.write(d.file, head, 0); err != nil {
		return err
	}
	blocks := d.blocks
	if d.meta.Size%snapBlockBytes != 0 {
		blocks = append(blocks, d.block)
	}
	trailer, at := appendTrailer(nil, head, blocks), dataAt(d.meta)+d.meta.Size
	if err := d.volume.write(d.file, trailer, at); err != nil {
		return err
	}
	if d.volume.mutation.Is("snap-compact-first") {
		return nil // so the log is cut while the snapshot is in the page cache alone
	}
	return d.volume.sync(d.file, at+int64(len(trailer)))
}

// discard closes and removes the draft. What cannot be removed is in nobody's way.
func (d *draft) discard() {
	_ = d.file.Close()
	_ = d.volume.remove(d.file.name)
}
