package jsonlines

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestLines_RoundTripWithoutATornEnd(t *testing.T) {
	var file bytes.Buffer
	w := NewWriter(&file)
	for _, value := range []any{1, "two", []int{3}} {
		if err := w.Write(value); err != nil {
			t.Fatal(err)
		}
	}
	file.WriteString(`{"torn":`)
	var lines []string
	r := NewReader(&file)
	for {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	if got := strings.Join(lines, " "); got != `1 "two" [3]` {
		t.Errorf("read %s", got)
	}
}

func TestReader_RefusesALineWithoutBounds(t *testing.T) {
	r := NewReader(strings.NewReader(strings.Repeat("x", 1<<20)))
	r.most = 1<<20 - 1
	if _, err := r.Next(); !errors.Is(err, errLongLine) {
		t.Errorf("error %v", err)
	}
}

func TestWriter_OfNothing(t *testing.T) {
	if err := NewWriter(nil).Write("x"); err != nil {
		t.Error(err)
	}
}
