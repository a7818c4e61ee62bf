package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"

	"whitewater/pkg/chaos"
)

// A proxy inside a test: a link in front of an echo server, a toxic on it, and the end of it.
func Example() {
	ctx := context.Background()
	echo := startEcho()
	defer func() { _ = echo.Close() }()

	server := chaos.NewServer(chaos.Options{Seed: 1})
	defer func() { _ = server.Close() }()
	link, err := server.Create(chaos.Proxy{Name: "echo", Upstream: echo.Addr().String(), Enabled: true})
	check(err)
	_, err = server.AddToxic("echo", chaos.Toxic{Type: chaos.ToxicLatency, Toxicity: 1, Attributes: json.RawMessage(`{"latency": 20}`)})
	check(err)

	c, err := new(net.Dialer).DialContext(ctx, "tcp", link.Listen)
	check(err)
	_, err = io.WriteString(c, "hello")
	check(err)
	reply := make([]byte, 5)
	_, err = io.ReadFull(c, reply)
	check(err)
	fmt.Println(string(reply))

	check(server.Delete("echo")) // closes the connection too
	_, err = c.Read(reply)
	fmt.Println(err)
	// Output:
	// hello
	// EOF
}

// The same over the control API, which may be another process'.
func ExampleClient() {
	server := chaos.NewServer(chaos.Options{})
	api, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(api) }()
	ctx := context.Background()

	client := chaos.NewClient("http://" + api.Addr().String())
	_, err = client.Populate(ctx, []chaos.Proxy{
		{Name: "n1->n2", Upstream: "127.0.0.1:7102", Protocol: chaos.ProtocolMsgpackRPC, Source: "n1", Target: "n2", Enabled: true},
		{Name: "n2->n1", Upstream: "127.0.0.1:7101", Protocol: chaos.ProtocolMsgpackRPC, Source: "n2", Target: "n1", Enabled: true},
	})
	check(err)
	links, err := client.AddFault(ctx, chaos.AllLinks(), chaos.Fault{Type: chaos.FaultDrop, Method: "Raft.RequestVote", Probability: 0.5})
	check(err)
	fmt.Println("lossy:", links)
	cut, err := client.Partition(ctx, chaos.Partition{Name: "split", Groups: [][]string{{"n1"}, {"n2"}}})
	check(err)
	fmt.Println("cut:", cut.Links)
	check(client.Reset(ctx))

	client.Close()
	check(server.Close())
	check(<-served)
	// Output:
	// lossy: [n1->n2 n2->n1]
	// cut: [n1->n2 n2->n1]
}

func startEcho() net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return ln
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
