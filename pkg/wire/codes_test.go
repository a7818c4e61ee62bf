package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestCodes_EncodeFindsWrappedSentinels(t *testing.T) {
	codes := testCodes()
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, "<nil>"},
		{fmt.Errorf("pour: %w", errTeapot), "teapot: pour: this is a teapot"},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), "timeout: wait: context deadline exceeded"},
		{io.EOF, "error: EOF"},
		{errors.New(""), "error: "},
		{fmt.Errorf("relay: %w", &Error{Code: "other", Text: "x"}), "other: x"},
	} {
		got := codes.Encode(test.err)
		if fmt.Sprint(got) != test.want {
			t.Errorf("%v: %v, want %s", test.err, got, test.want)
		}
		if got != nil && codes.decode(got.Error()).Error() != got.Error() {
			t.Errorf("%v does not survive", got)
		}
	}
}

func TestCodes_WhatAServerSendsHasACodeAndABound(t *testing.T) {
	for text, want := range map[string]string{
		"teapot: hot":    "teapot: hot",
		"open: no file":  "error: open: no file", // "open" is no code of ours
		"no colon":       "error: no colon",
		"":               "error: ",
		"Teapot: shouts": "error: Teapot: shouts",
	} {
		if got := testCodes().normalise(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	long := testCodes().normalise("teapot: " + strings.Repeat("ü", 4096))
	if len(long) > maxErrorText || !strings.HasSuffix(long, "ü") {
		t.Errorf("%d bytes, ending in %q", len(long), long[len(long)-2:])
	}
}
