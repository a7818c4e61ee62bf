package kv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// readOrder reads the body of an operator's request, one JSON object of a known form, into order. given is false for an
// empty body.
func readOrder(w http.ResponseWriter, r *http.Request, most int64, form string, order any) (given bool, err error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return false, tooLarge("the body has more than %d bytes", most)
	}
	if err == nil {
		given, err = parseOrder(data, order)
	}
	if err != nil {
		return false, badRequest("the body must be %s: %v", form, err)
	}
	return given, nil
}

// parseOrder reads one JSON object, in which no field is unknown, or given twice: encoding/json would mix the two.
func parseOrder(data []byte, order any) (given bool, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err = decoder.Decode(order)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return false, errors.New("something follows the object")
	}
	decoder = json.NewDecoder(bytes.NewReader(data))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return false, errors.New("it is no object")
	}
	return true, refuseTwins(decoder)
}

// refuseTwins reads the rest of an object whose fields are known, so few, and finds one that stands in it, or in one below
// it, twice. Names that differ by case alone are the same to encoding/json.
func refuseTwins(decoder *json.Decoder) error {
	var seen []string
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if slices.ContainsFunc(seen, func(other string) bool { return strings.EqualFold(name, other) }) {
			return fmt.Errorf("the field %q is given twice", name)
		}
		seen = append(seen, name)
		if err := refuseTwinsBelow(decoder); err != nil {
			return err
		}
	}
	_, err := decoder.Token() // the end
	return err
}

// refuseTwinsBelow reads one value.
func refuseTwinsBelow(decoder *json.Decoder) error {
	token, err := decoder.Token()
	switch {
	case err != nil:
		return err
	case token == json.Delim('{'):
		return refuseTwins(decoder)
	case token != json.Delim('['):
		return nil
	}
	for decoder.More() {
		if err := refuseTwinsBelow(decoder); err != nil {
			return err
		}
	}
	_, err = decoder.Token() // the end
	return err
}
