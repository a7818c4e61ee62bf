package chaos

import (
	"fmt"
	"net/http"
	"strings"
)

// Error is a refusal of the control API: what its body says, on both sides of the socket.
type Error struct {
	Text   string `json:"error"`
	Status int    `json:"status"`
}

func (e *Error) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Status, e.Text) }

// Is reports whether e is target, or target with more said behind it.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && e.Status == t.Status && strings.HasPrefix(e.Text, t.Text)
}

// The texts are Toxiproxy's where it has the case. errors.Is finds them in what a Client returns.
var (
	// ErrBadBody is returned when a request's body is no JSON or does not fit.
	ErrBadBody = &Error{"bad request body", http.StatusBadRequest}
	// ErrMissingField is returned when a required field is absent; its name follows.
	ErrMissingField = &Error{"missing required field", http.StatusBadRequest}
	// ErrInvalidStream is returned for a toxic's stream that is neither.
	ErrInvalidStream = &Error{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
	// ErrInvalidToxicType is returned for a type of toxic that does not exist.
	ErrInvalidToxicType = &Error{"invalid toxic type", http.StatusBadRequest}
	// ErrProxyNotFound is returned when no link has that name.
	ErrProxyNotFound = &Error{"proxy not found", http.StatusNotFound}
	// ErrToxicNotFound is returned when the link has no toxic of that name.
	ErrToxicNotFound = &Error{"toxic not found", http.StatusNotFound}
	// ErrFaultNotFound is returned when no link asked about has a message fault of that name.
	ErrFaultNotFound = &Error{"fault not found", http.StatusNotFound}
	// ErrPartitionNotFound is returned when no partition has that name.
	ErrPartitionNotFound = &Error{"partition not found", http.StatusNotFound}
	// ErrWatchNotFound is returned when no watch has that name.
	ErrWatchNotFound = &Error{"watch not found", http.StatusNotFound}
	// ErrPresetNotFound is returned when there is no such preset, or it is in force nowhere.
	ErrPresetNotFound = &Error{"preset not found", http.StatusNotFound}
	// ErrProxyExists is returned when a link has that name already.
	ErrProxyExists = &Error{"proxy already exists", http.StatusConflict}
	// ErrToxicExists is returned when the link has a toxic of that name already, in either direction.
	ErrToxicExists = &Error{"toxic already exists", http.StatusConflict}
	// ErrFaultExists is returned when a link has a message fault of that name already.
	ErrFaultExists = &Error{"fault already exists", http.StatusConflict}
	// ErrPartitionExists is returned when a partition has that name already.
	ErrPartitionExists = &Error{"partition already exists", http.StatusConflict}
	// ErrWatchExists is returned when a watch has that name already.
	ErrWatchExists = &Error{"watch already exists", http.StatusConflict}
)

// more returns e with detail behind its text.
func (e *Error) more(format string, args ...any) *Error {
	return &Error{Text: e.Text + fmt.Sprintf(format, args...), Status: e.Status}
}

// invalid is a field whose value cannot be; the text says what can.
func invalid(format string, args ...any) *Error {
	return &Error{Text: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}
