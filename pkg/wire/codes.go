package wire

import (
	"context"
	"errors"
	"strings"
)

const (
	codeError         = "error"
	codeMalformed     = "malformed"
	codeTooLarge      = "too_large"
	codeUnknownMethod = "unknown_method"
	codeUnencodable   = "unencodable"

	maxErrorText = 1 << 10 // bytes; longer texts are cut
)

// Error is an error as it crosses the wire, in the form "code: text". On the calling side it
// unwraps to the sentinel that the caller's Codes have for its code.
type Error struct {
	Code string // lower-case letters, digits and underscores
	Text string
	err  error
}

func (e *Error) Error() string { return e.Code + ": " + e.Text }

// Unwrap returns the sentinel, or nil for a code that this side does not know.
func (e *Error) Unwrap() error { return e.err }

// Code is one row of a table of errors.
type Code struct {
	Name string // as on the wire: lower-case letters, digits and underscores
	Err  error  // the sentinel
}

// Codes is the table that lets an application's sentinels cross the wire, the same on both sides. Rows
// that this package needs itself stand behind it: error, malformed, too_large,
// unknown_method, unencodable, timeout, canceled.
type Codes []Code

// all is c with this package's own rows behind it.
func (c Codes) all() Codes {
	return append(c[:len(c):len(c)],
		Code{codeError, ErrRemote},
		Code{codeMalformed, ErrMalformed},
		Code{codeTooLarge, ErrFrameTooLarge},
		Code{codeUnknownMethod, ErrUnknownMethod},
		Code{codeUnencodable, ErrUnencodable},
		Code{"timeout", context.DeadlineExceeded},
		Code{"canceled", context.Canceled},
	)
}

// Encode turns what a method is about to return into an Error with the code of the first row that
// err is, or with the code "error". net/rpc hands a server the text alone, and takes an empty one for success,
// so methods should return Encode's result. nil stays nil.
func (c Codes) Encode(err error) error {
	if err == nil {
		return nil
	}
	if coded, ok := errors.AsType[*Error](err); ok {
		return coded
	}
	for _, row := range c.all() {
		if errors.Is(err, row.Err) {
			return &Error{Code: row.Name, Text: err.Error(), err: row.Err}
		}
	}
	return &Error{Code: codeError, Text: err.Error(), err: ErrRemote}
}

// decode reads text as it came over the wire. Text without a code, which peers of
// other makes send, gets the code "error".
func (c Codes) decode(text string) *Error {
	code, rest, ok := strings.Cut(text, ": ")
	if !ok || !validCode(code) {
		return &Error{Code: codeError, Text: text, err: ErrRemote}
	}
	return &Error{Code: code, Text: rest, err: c.sentinel(code)}
}

// normalise is text as a server sends it: in the form "code: text", with a code of its table, and bounded.
func (c Codes) normalise(text string) string {
	code, _, ok := strings.Cut(text, ": ")
	if !ok || c.sentinel(code) == nil {
		text = codeError + ": " + text
	}
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "")
	}
	return text
}

func (c Codes) sentinel(code string) error {
	for _, row := range c.all() {
		if row.Name == code {
			return row.Err
		}
	}
	return nil
}

func validCode(code string) bool {
	return code != "" && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
