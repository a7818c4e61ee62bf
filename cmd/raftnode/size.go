package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes as a flag: 512, 64KiB, 1MiB, 1GiB.
type size struct{ bytes *int }

var units = []struct {
	suffix string
	bytes  int
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"B", 1},
	{"", 1},
}

// Set implements pflag.Value.
func (s size) Set(text string) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || n > uint64(math.MaxInt/u.bytes) {
			break
		}
		*s.bytes = int(n) * u.bytes
		return nil
	}
	return fmt.Errorf("must be a number of bytes, as in 512, 64KiB or 1MiB")
}

// String implements pflag.Value.
func (s size) String() string {
	if s.bytes == nil {
		return ""
	}
	for _, u := range units[:3] {
		if *s.bytes != 0 && *s.bytes%u.bytes == 0 {
			return strconv.Itoa(*s.bytes/u.bytes) + u.suffix
		}
	}
	return strconv.Itoa(*s.bytes)
}

// Type implements pflag.Value.
func (s size) Type() string { return "size" }
