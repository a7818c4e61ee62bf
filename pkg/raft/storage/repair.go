package storage

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// tornInfix joins a segment's name and the offset of the tear in the name of the copy.
const tornInfix = ".torn-"

// isTornCopy reports whether a file in log/ is such a copy.
func isTornCopy(name string) bool { return strings.Contains(name, tornInfix) }

// repair makes durable what recovery found: a tear is copied and cut, and what no mark promises is
// written once more. Nothing has been written behind the tear when it returns.
func (r *recovery) repair() (Recovered, error) {
	t := &r.tail
	found := Recovered{State: r.state, DirectoryID: r.directory.String()}
	if r.volume.mutation.Is("torn-tail-append") && t.end > 0 {
		t.end = t.size
		return found, errors.Join(r.volume.sync(t.segment, t.end), r.volume.syncDir(logDir), r.volume.syncDir("."))
	}
	if torn := t.size - t.end; torn > 0 {
		copied, err := r.copyTear()
		if err != nil {
			return Recovered{}, err
		}
		if err := t.segment.Truncate(t.end); err != nil {
			return Recovered{}, err
		}
		found.TornBytes, found.TornFile, found.TornCopy = torn, t.segment.name, copied
		r.logger.Warn("cut an unfinished write off the log",
			"file", r.volume.path(t.segment.name), "offset", t.end, "bytes", torn, "copy", copied)
	} else if err := r.cutAgain(); err != nil {
		return Recovered{}, err
	}
	if err := r.rewrite(); err != nil {
		return Recovered{}, err
	}
	if err := r.volume.sync(t.segment, t.end); err != nil {
		return Recovered{}, err
	}
	t.size = t.end
	return found, errors.Join(r.volume.syncDir(logDir), r.volume.syncDir("."))
}

// cutAgain cuts a segment that ends where it should. The last process may have cut a tear and died of a failed sync:
// then the disk alone still has the tear, and would have it behind an end that this process relies on.
func (r *recovery) cutAgain() error {
	t := &r.tail
	if err := t.segment.Truncate(t.end + 1); err != nil { // a change of length, or the kernel does nothing
		return err
	}
	return t.segment.Truncate(t.end)
}

// rewrite puts the last batch once more where it stands, unless it is known to be synced. The last
// process may have died of a failed sync: then the kernel holds pages that it takes for clean and
// the disk lacks, and syncing again would not help. A segment without a batch is begun anew.
func (r *recovery) rewrite() error {
	t := &r.tail
	if t.end == 0 {
		at := place{r.directory, t.number, headerBytes}
		b := appendHeader(nil, header{r.directory, t.number, t.first, t.before})
		first := batch{hard: &r.state.HardState}
		if r.base != (base{}) {
			first.bases = []base{r.base}
			first.bases[0].reset = false
		}
		b = appendBatch(b, at, first)
		t.end = int64(len(b))
		return r.volume.write(t.segment, b, 0)
	}
	if r.mark.covers(t.number, t.end-1) {
		return nil
	}
	b := make([]byte, t.end-t.last)
	if _, err := t.segment.ReadAt(b, t.last); err != nil && !errors.Is(err, io.EOF) {
		return readError(t.segment.name, t.last, err)
	}
	at := place{r.directory, t.number, max(t.last, headerBytes)}
	if err := checkBatch(b[at.offset-t.last:], at); err != nil { // the kernel may have dropped such pages meanwhile
		return fmt.Errorf("%s: what stood at offset %d when it was read first is gone: %w", r.volume.path(t.segment.name), at.offset, err)
	}
	return r.volume.write(t.segment, b, t.last)
}

// copyTear keeps the bytes that are about to be cut, unless all are zero. It returns the copy's name.
func (r *recovery) copyTear() (string, error) {
	t := &r.tail
	something, err := r.eachPiece(func([]byte, int64) error { return nil })
	if err != nil || !something {
		return "", err
	}
	name := fmt.Sprintf("%s%s%d", t.segment.name, tornInfix, t.end)
	h, err := r.volume.ensure(name)
	if err != nil {
		return "", err
	}
	err = h.Truncate(0)
	if err == nil {
		_, err = r.eachPiece(func(p []byte, offset int64) error { return r.volume.write(h, p, offset) })
	}
	if err == nil {
		err = r.volume.sync(h, t.size-t.end)
	}
	if err := errors.Join(err, h.Close()); err != nil {
		return "", fmt.Errorf("copy the unfinished write before cutting it: %w", err)
	}
	return name, r.volume.syncDir(logDir)
}

// eachPiece hands over the bytes of the tear with their offset in it, and reports whether any is not zero.
func (r *recovery) eachPiece(take func(p []byte, offset int64) error) (something bool, err error) {
	t := &r.tail
	buf := make([]byte, min(scanBuffer, t.size-t.end))
	for at := t.end; at < t.size; at += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), t.size-at)]
		if _, err := t.segment.ReadAt(p, at); err != nil && !errors.Is(err, io.EOF) {
			return false, readError(t.segment.name, at, err)
		}
		for _, b := range p {
			something = something || b != 0
		}
		if err := take(p, at-t.end); err != nil {
			return false, err
		}
	}
	return something, nil
}
