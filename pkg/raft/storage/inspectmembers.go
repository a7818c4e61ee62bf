package storage

import (
	"errors"
	"fmt"

	"whitewater/pkg/raft/protocol"
)

// errUnread is wrapped in a CorruptError for a configuration whose bytes verify.
var errUnread = errors.New("cannot be read")

// ConfigurationReport is the configuration of an entry or of a snapshot.
type ConfigurationReport struct {
	At            protocol.Position
	Configuration protocol.Configuration
	Err           error // why it cannot be read; then Configuration holds nothing
}

// String names the members.
func (c ConfigurationReport) String() string {
	if c.Err != nil {
		return fmt.Sprintf("%v: %v", errUnread, c.Err)
	}
	return c.Configuration.String()
}

func parseConfiguration(at protocol.Position, text []byte) (c ConfigurationReport) {
	c.At = at
	c.Configuration, c.Err = protocol.ParseConfiguration(text)
	if c.Err != nil {
		c.Configuration = protocol.Configuration{}
	}
	return c
}

// snapshotConfiguration reads a snapshot's configuration, if it has one.
func (i *inspection) snapshotConfiguration(s *SnapshotReport) error {
	if s.Meta.Configuration == "" {
		return nil
	}
	c := parseConfiguration(s.Meta.Position, []byte(s.Meta.Configuration))
	s.Configuration = &c
	if c.Err == nil {
		return nil
	}
	return i.volume.corrupt(s.File, snapHeaderBytes, fmt.Errorf("the snapshot's configuration %w: %w", errUnread, c.Err))
}

// checkConfiguration takes an entry's configuration that a start would need, and could not read, for damage.
func (i *inspection) checkConfiguration(file string, offset int64, c ConfigurationReport) error {
	if c.Err == nil || c.At.Index <= i.report.State.Snapshot.Index {
		return nil
	}
	for _, live := range i.report.Configurations {
		if live.At == c.At {
			return i.fault(i.volume.corrupt(file, offset, fmt.Errorf("the configuration at %v %w: %w", c.At, errUnread, c.Err)))
		}
	}
	return nil
}
