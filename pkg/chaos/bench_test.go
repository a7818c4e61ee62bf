package chaos

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"whitewater/pkg/wire"
)

// BenchmarkLink compares, in one run, no proxy, a plain io.Copy proxy, and ours: one round trip of 64 bytes, and
// bulk throughput; for a msgpack-rpc link calls of 4 KiB frames through the plain proxy and through ours.
func BenchmarkLink(b *testing.B) {
	for _, way := range []string{"direct", "copy", "bytes"} {
		b.Run("pingpong64/"+way, func(b *testing.B) { benchPingPong(b, way) })
	}
	for _, way := range []string{"direct", "copy", "bytes"} {
		b.Run("bulk/"+way, func(b *testing.B) { benchBulk(b, way) })
	}
	for _, way := range []string{"direct", "usercopy", "rpc"} {
		b.Run("frames4096/"+way, func(b *testing.B) { benchFrames(b, way) })
	}
}

// route returns the address that leads to upstream in that way.
func route(b *testing.B, way, upstream string) string {
	switch way {
	case "copy", "usercopy":
		return plainProxy(b, upstream, way == "usercopy")
	case "bytes", "rpc":
		s := NewServer(Options{})
		b.Cleanup(func() { must(b, s.Close()) })
		p := Proxy{Name: "l", Upstream: upstream, Enabled: true}
		if way == "rpc" {
			p.Protocol = ProtocolMsgpackRPC
		}
		made, err := s.Create(p)
		must(b, err)
		return made.Listen
	}
	return upstream
}

// plainProxy is what a proxy costs at least: io.Copy, which splices, or a copy through memory.
func plainProxy(b *testing.B, upstream string, throughMemory bool) string {
	return serveConns(b, func(client net.Conn) {
		server, err := net.Dial("tcp", upstream)
		if err != nil {
			return
		}
		move := func(dst, src net.Conn) {
			if throughMemory {
				_, _ = io.Copy(struct{ io.Writer }{dst}, struct{ io.Reader }{src})
			} else {
				_, _ = io.Copy(dst, src)
			}
			_ = dst.(*net.TCPConn).CloseWrite()
		}
		var wg sync.WaitGroup
		wg.Go(func() { move(client, server) })
		move(server, client)
		wg.Wait()
		_ = server.Close()
	})
}

// serveConns runs serve for each connection to the address returned.
func serveConns(b *testing.B, serve func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				serve(c)
				_ = c.Close()
			})
		}
	})
	b.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

func benchPingPong(b *testing.B, way string) {
	addr := route(b, way, serveConns(b, func(c net.Conn) { _, _ = io.Copy(c, c) }))
	c, err := net.Dial("tcp", addr)
	must(b, err)
	defer func() { _ = c.Close() }()
	buf := make([]byte, 64)
	trips := make([]time.Duration, 0, 1<<16)
	for b.Loop() {
		start := time.Now()
		_, err := c.Write(buf)
		must(b, err)
		_, err = io.ReadFull(c, buf)
		must(b, err)
		trips = append(trips, time.Since(start))
	}
	slices.Sort(trips)
	b.ReportMetric(float64(trips[len(trips)/2].Nanoseconds()), "median-ns")
}

func benchBulk(b *testing.B, way string) {
	arrived := make(chan int64)
	addr := route(b, way, serveConns(b, func(c net.Conn) {
		n, _ := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c})
		arrived <- n
	}))
	c, err := net.Dial("tcp", addr)
	must(b, err)
	buf := make([]byte, 256<<10)
	b.SetBytes(int64(len(buf)))
	sent := int64(0)
	for b.Loop() {
		_, err := c.Write(buf)
		must(b, err)
		sent += int64(len(buf))
	}
	must(b, c.Close())
	if n := <-arrived; n != sent {
		b.Fatalf("%d of %d bytes arrived", n, sent)
	}
}

// benchFrames sends requests of 4 KiB and gets small replies, sixteen outstanding.
func benchFrames(b *testing.B, way string) {
	addr := route(b, way, serveConns(b, answerFrames))
	c, err := net.Dial("tcp", addr)
	must(b, err)
	defer func() { _ = c.Close() }()
	frame := append([]byte{0x94, 0, 1, 0xa1, 'M', 0x91, 0xc5, 0x10, 0}, make([]byte, 4096)...)
	scanner := wire.NewScanner(c, wire.Limits{})
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	outstanding := 0
	for b.Loop() {
		_, err := c.Write(frame)
		must(b, err)
		if outstanding++; outstanding < 16 {
			continue
		}
		_, err = scanner.Next()
		must(b, err)
		outstanding--
	}
}

func answerFrames(c net.Conn) {
	scanner := wire.NewScanner(c, wire.Limits{})
	for {
		f, err := scanner.Next()
		if err != nil {
			return
		}
		if _, err := c.Write([]byte{0x94, 1, 0xce, byte(f.ID >> 24), byte(f.ID >> 16), byte(f.ID >> 8), byte(f.ID), 0xc0, 0xc0}); err != nil {
			return
		}
	}
}
