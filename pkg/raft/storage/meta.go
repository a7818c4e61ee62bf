package storage

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"whitewater/pkg/raft/protocol"
)

const maxMetaBytes = 512 << 10 // names are text, which JSON may take six bytes for one to say

// meta says whose directory this is. It is written once.
type meta struct {
	Format    uint64          `json:"format"`
	Cluster   string          `json:"cluster"`
	Node      protocol.NodeID `json:"node"`
	Directory string          `json:"directory"` // 32 hex digits
	// Bootstrap are the voters that the cluster began with, ascending; none if the node joined it.
	Bootstrap []protocol.NodeID `json:"bootstrap"`
	CRC32C    uint32            `json:"crc32c"` // over the fields before, each followed by a zero byte
}

func (m meta) checksum() uint32 {
	b := fmt.Appendf(nil, "%d\x00%s\x00%s\x00%s\x00", m.Format, m.Cluster, m.Node, m.Directory)
	for _, id := range m.Bootstrap {
		b = fmt.Appendf(b, "%s\x00", id)
	}
	return checksum(0, b)
}

// directoryID is the directory's id in the form in which the log carries it.
func (m meta) directoryID() (directoryID, error) {
	var d directoryID
	if hex.DecodedLen(len(m.Directory)) != len(d) {
		return d, fmt.Errorf("directory id %w: %d hex digits, not %d", errDamaged, len(m.Directory), hex.EncodedLen(len(d)))
	}
	if _, err := hex.Decode(d[:], []byte(m.Directory)); err != nil {
		return d, fmt.Errorf("directory id %w: %w", errDamaged, err)
	}
	return d, nil
}

// checkOwner refuses a directory of another cluster or node.
func (m meta) checkOwner(o Options) error {
	if m.Node == o.NodeID && (m.Cluster == o.ClusterID || o.ClusterID == "") {
		return nil
	}
	return fmt.Errorf("%w: %s holds node %q of cluster %q, not node %q of cluster %q: use that node's own directory, or an empty one",
		ErrForeign, o.Dir, m.Node, m.Cluster, o.NodeID, o.ClusterID)
}

// readMeta fails with fs.ErrNotExist when there is none, with a CorruptError or with ErrVersion.
func readMeta(v *volume) (m meta, err error) {
	h, err := v.open(metaName)
	if err != nil {
		return meta{}, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	b, err := readAll(h, maxMetaBytes)
	if err == nil {
		m, err = parseMeta(b)
	}
	if errors.Is(err, errDamaged) {
		err = v.corrupt(metaName, 0, err)
	}
	return m, err
}

func parseMeta(b []byte) (meta, error) {
	var m meta
	if err := json.Unmarshal(b, &m); err != nil {
		return meta{}, fmt.Errorf("meta %w: %w", errDamaged, err)
	}
	if m.Format != formatVersion {
		return meta{}, versionError(m.Format)
	}
	if m.checksum() != m.CRC32C {
		return meta{}, fmt.Errorf("meta %w: wrong checksum", errDamaged)
	}
	return m, nil
}

// writeMeta is the moment from which the directory exists: all or nothing, durable when it returns.
func writeMeta(v *volume, m meta) error {
	m.CRC32C = m.checksum()
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	h, err := v.ensure(metaDraft)
	if err != nil {
		return err
	}
	if err := errors.Join(writeDraft(v, h, b), h.Close()); err != nil {
		return err
	}
	if err := v.rename(metaDraft, metaName); err != nil {
		return err
	}
	return v.syncDir(".")
}

func writeDraft(v *volume, h *handle, b []byte) error {
	if err := h.Truncate(0); err != nil {
		return err
	}
	if err := v.write(h, b, 0); err != nil {
		return err
	}
	return v.sync(h, int64(len(b)))
}
