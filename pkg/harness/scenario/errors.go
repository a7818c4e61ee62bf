package scenario

import (
	"errors"
	"fmt"
	"strings"
)

// errNoLeader means that a role was to be picked while nobody led; the runner waits and asks again.
var errNoLeader = errors.New("no running node leads")

// wrong is what a correct cluster does not do, however busy the machine is.
type wrong struct{ text string }

func (e *wrong) Error() string { return e.text }

// valueError is a value that cannot be read, found while a file is decoded.
type valueError struct{ text string }

func (e *valueError) Error() string { return e.text }

func badValue(format string, args ...any) error { return &valueError{fmt.Sprintf(format, args...)} }

// Problem is one fault of a file.
type Problem struct {
	Line, Column int // from 1; 0 = the file as a whole
	Text         string
}

// FileError is everything that is wrong with one scenario file.
type FileError struct {
	File     string
	Problems []Problem // in order of their places
}

func (e *FileError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", e.File, p.Line, p.Column, p.Text)
	}
	return strings.Join(lines, "\n")
}
