package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
)

func BenchmarkCall(b *testing.B) {
	for _, inflight := range []int{1, 64} {
		b.Run(fmt.Sprintf("inflight=%d", inflight), func(b *testing.B) {
			_, _, address := startServer(b, ServerOptions{})
			c := startClient(b, ClientOptions{Address: address})
			ctx := context.Background()
			args := &Args{Text: "n1", N: 7, Items: []Item{{A: 300, B: 6, Data: make([]byte, 100)}}}
			calls := make(chan *Call, inflight)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i >= inflight {
					wait(b, <-calls)
				}
				calls <- c.Go(ctx, "Test.Echo", args, new(Reply), nil)
			}
			for len(calls) > 0 {
				wait(b, <-calls)
			}
		})
	}
}

func wait(b *testing.B, call *Call) {
	if err := call.Wait(); err != nil {
		b.Fatal(err)
	}
}

// endless repeats b.
type endless struct {
	b  []byte
	at int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.b[e.at:])
	e.at = (e.at + n) % len(e.b)
	return n, nil
}

func BenchmarkScanner(b *testing.B) {
	for _, size := range []int{100, 15_000, 1 << 20} {
		entry := unhex(b, "84 a4 44617461 c40a 00000000000000000000 a5 496e646578 cd012c a4 4b696e64 00 a4 5465726d 06")
		n := max(1, size/len(entry))
		frame := append(unhex(b, "940000 a178 91 dd"), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		frame = append(frame, bytes.Repeat(entry, n)...)
		b.Run(fmt.Sprintf("bytes=%d", len(frame)), func(b *testing.B) {
			s := NewScanner(io.Reader(&endless{b: frame}), Limits{MaxValues: 1 << 20})
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
