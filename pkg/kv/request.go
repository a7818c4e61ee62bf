package kv

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query returns the query parameters; each must be one of those allowed, once.
func query(r *http.Request, allowed ...string) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("malformed query: %v", err)
	}
	for name, given := range values {
		if !slices.Contains(allowed, name) {
			return nil, badRequest("unknown query parameter %q: %s", name, allowedText(allowed))
		}
		if len(given) > 1 && name != "exclude" {
			return nil, badRequest("query parameter %q is given %d times", name, len(given))
		}
	}
	return values, nil
}

func allowedText(allowed []string) string {
	if len(allowed) == 0 {
		return "none is allowed here"
	}
	return "allowed here: " + strings.Join(allowed, ", ")
}

// number reads a query parameter between least and most; absent, it is byDefault.
func number(values url.Values, name string, byDefault, least, most uint64) (uint64, error) {
	if !values.Has(name) {
		return byDefault, nil
	}
	n, err := strconv.ParseUint(values.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest("%s=%q must be a number from %d to %d", name, values.Get(name), least, most)
	}
	return n, nil
}

// key is the rest of the path; every byte may occur, escaped.
func (s *Service) key(r *http.Request) (string, error) {
	key := strings.TrimPrefix(r.URL.Path, "/v1/kv/")
	if key == "" {
		return "", badRequest("the key is empty")
	}
	if len(key) > s.options.MaxKeyBytes {
		return "", tooLarge("the key has %d bytes, at most %d are allowed", len(key), s.options.MaxKeyBytes)
	}
	return key, nil
}

func tooLarge(format string, args ...any) *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "too_large", format, args...)
}

// checkLength refuses a body that says itself that it is too large.
func (s *Service) checkLength(r *http.Request) error {
	if r.ContentLength > int64(s.options.MaxValueBytes) {
		return tooLarge("the body has %d bytes, at most %d are allowed", r.ContentLength, s.options.MaxValueBytes)
	}
	return nil
}

// body reads the request's body, no further than the limit.
func (s *Service) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var buffer bytes.Buffer
	if _, err := io.Copy(&buffer, http.MaxBytesReader(w, r.Body, int64(s.options.MaxValueBytes))); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge("the body has more than %d bytes", s.options.MaxValueBytes)
		}
		return nil, badRequest("reading the body: %v", err)
	}
	return buffer.Bytes(), nil
}

// discardBody reads the body of a request that is refused without it, within the limit: a client that is still
// sending when the connection closes may never see the answer. One that asked first need not send it.
func (s *Service) discardBody(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Expect") == "" {
		// An error here is the client's connection, or a body over the limit: the refusal stands.
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, int64(s.options.MaxValueBytes)))
	}
}

// header returns a header that may be given once.
func header(r *http.Request, name string) (string, bool, error) {
	given := r.Header.Values(name)
	if len(given) > 1 {
		return "", false, badRequest("header %s is given %d times", name, len(given))
	}
	if len(given) == 0 {
		return "", false, nil
	}
	return given[0], true, nil
}

// sessionHeaders reads Session-Id and Session-Seq: both or none, decimal, from 1.
func sessionHeaders(r *http.Request) (id, sequence uint64, err error) {
	idText, hasID, err := header(r, "Session-Id")
	if err != nil {
		return 0, 0, err
	}
	sequenceText, hasSequence, err := header(r, "Session-Seq")
	if err != nil {
		return 0, 0, err
	}
	if !hasID && !hasSequence {
		return 0, 0, nil
	}
	if !hasID || !hasSequence {
		return 0, 0, badRequest("Session-Id and Session-Seq belong together: give both or none")
	}
	if id, err = positive("Session-Id", idText); err != nil {
		return 0, 0, err
	}
	if sequence, err = positive("Session-Seq", sequenceText); err != nil {
		return 0, 0, err
	}
	return id, sequence, nil
}

func positive(name, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, badRequest("%s %q must be a decimal number from 1", name, text)
	}
	return n, nil
}

// condition reads If-Match: "<revision>" or If-None-Match: *.
func condition(r *http.Request) (Condition, uint64, error) {
	match, hasMatch, err := header(r, "If-Match")
	if err != nil {
		return Always, 0, err
	}
	noneMatch, hasNoneMatch, err := header(r, "If-None-Match")
	if err != nil {
		return Always, 0, err
	}
	switch {
	case hasMatch && hasNoneMatch:
		return Always, 0, badRequest("give If-Match or If-None-Match, not both")
	case hasNoneMatch && noneMatch != "*":
		return Always, 0, badRequest("If-None-Match %q must be *", noneMatch)
	case hasNoneMatch:
		return IfAbsent, 0, nil
	case !hasMatch:
		return Always, 0, nil
	}
	text, opened := strings.CutPrefix(match, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	revision, err := strconv.ParseUint(text, 10, 64)
	if !opened || !closed || err != nil || revision == 0 {
		return Always, 0, badRequest(`If-Match %q must be one revision in double quotes, as in "17"`, match)
	}
	return IfRevision, revision, nil
}
