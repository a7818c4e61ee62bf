package wire

import (
	"bytes"
	"runtime"
	"testing"
	"time"
)

// Everything has a field of every kind that messages have, none larger than 128 bytes.
type Everything struct {
	Items    []Item
	Pointers []*Item
	Texts    []string
	Blobs    [][]byte
	Numbers  []uint64
	Map      map[string]string
	ByNumber map[uint64]Item
	Text     string
	Data     []byte
	When     time.Time
	Array    [4]uint64
	Inner    struct{ Items []Item }
}

// allocated is how many bytes f allocates. Others may allocate meanwhile, so it tries again while that is over bound.
func allocated(bound uint64, f func()) uint64 {
	least := ^uint64(0)
	for try := 0; try < 5 && least > bound; try++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

func field(name string, value ...byte) []byte {
	return append(appendString([]byte{0x81}, name), value...)
}

// many is head, then n times value, then tail.
func many(t *testing.T, head string, n int, value, tail string) []byte {
	t.Helper()
	return append(append(unhex(t, head), bytes.Repeat(unhex(t, value), n)...), unhex(t, tail)...)
}

func manyKeys(n int) []byte {
	b := []byte{0xdf, 0, 0, byte(n >> 8), byte(n)}
	for i := range n {
		b = append(b, 0xcd, byte(i>>8), byte(i), 0x80)
	}
	return b
}

// TestDecoder_AllocatesInProportion holds decoding to twice the frame's bytes plus 128 bytes a
// value, and 2 KiB for an error.
func TestDecoder_AllocatesInProportion(t *testing.T) {
	large := make([]byte, 1<<20)
	for name, body := range map[string][]byte{
		"nil items":            field("Items", many(t, "dd0000fde8", 65000, "c0", "")...),
		"empty items":          field("Items", many(t, "dd0000fde8", 65000, "80", "")...),
		"nil pointers":         field("Pointers", many(t, "dd0000fde8", 65000, "c0", "")...),
		"pointers":             field("Pointers", many(t, "dd0000fde8", 65000, "80", "")...),
		"texts":                field("Texts", many(t, "dd0000fde8", 65000, "a178", "")...),
		"blobs":                field("Blobs", many(t, "dd0000fde8", 65000, "c40178", "")...),
		"empty blobs":          field("Blobs", many(t, "dd0000fde8", 65000, "90", "")...),
		"numbers":              field("Numbers", many(t, "dd0000fde8", 65000, "01", "")...),
		"bytes as an array":    field("Data", many(t, "dd0000fde8", 65000, "01", "")...),
		"a map with one key":   field("Map", many(t, "df00007d00", 32000, "a178a178", "")...),
		"a map":                field("ByNumber", manyKeys(32000)...),
		"a large text":         field("Text", append(unhex(t, "db00100000"), large...)...),
		"a large blob":         field("Data", append(unhex(t, "c600100000"), large...)...),
		"one field over again": many(t, "de03e8", 1000, "a54974656d73 93808080", ""),
		"an ignored blob":      field("Nobody", append(unhex(t, "c600100000"), large...)...),
		"an ignored text":      field("Nobody", append(unhex(t, "db00100000"), large...)...),
		"an ignored extension": field("Nobody", append(unhex(t, "c90010000005"), large...)...),
		"ignored nesting":      field("Nobody", many(t, "91", 900, "91", "c0")...),
		"ignored values":       field("Nobody", many(t, "dd0000fde8", 65000, "80", "")...),
		"too deep":             field("Nobody", many(t, "91", 60_000, "91", "c0")...),
		"a time of 1 MiB":      field("When", append(unhex(t, "c900100000ff"), large...)...),
		"a wrong type":         field("Items", append(unhex(t, "db00100000"), large...)...),
		"an inner struct":      field("Inner", field("Items", unhex(t, "94c0c0c0c0")...)...),
	} {
		t.Run(name, func(t *testing.T) {
			limits := Limits{}.withDefaults()
			x := newExtent()
			if whole, err := x.walk(body, limits); !whole || err != nil {
				t.Fatalf("the scanner would not let this pass: %v, %v", whole, err)
			}
			d := newDecoder(newHandle(limits))
			bound := 2*uint64(len(body)) + 128*uint64(x.values) + 2<<10
			if got := allocated(bound, func() { _ = d.decode(body, new(Everything)) }); got > bound {
				t.Errorf("%d bytes allocated for %d bytes and %d values, more than %d", got, len(body), x.values, bound)
			}
		})
	}
}

func TestDecoder_CopiesWhatItKeeps(t *testing.T) {
	body := many(t, "82 a4 44617461", 1, "c403 010203", "a4 54657874 a3 616263")
	var got Everything
	if err := newDecoder(newHandle(Limits{}.withDefaults())).decode(body, &got); err != nil {
		t.Fatal(err)
	}
	clear(body)
	if !bytes.Equal(got.Data, []byte{1, 2, 3}) || got.Text != "abc" {
		t.Errorf("after the buffer was reused: %+v", got)
	}
}
