package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/rpc"
	"os/exec"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// readyMade is go-msgpack's own MessagePack-RPC, in both its dialects.
func readyMade(writeExt bool) *codec.MsgpackHandle {
	h := new(codec.MsgpackHandle)
	h.WriteExt = writeExt
	return h
}

var dialects = map[string]bool{"with bin and str8": true, "raw": false}

func TestInterop_ReadyMadeClient(t *testing.T) {
	for name, writeExt := range dialects {
		t.Run(name, func(t *testing.T) {
			_, _, address := startServer(t, ServerOptions{})
			client := rpc.NewClientWithCodec(codec.MsgpackSpecRpc.ClientCodec(dialRaw(t, address), readyMade(writeExt)))
			defer client.Close()
			args := &Args{Text: "a text longer than thirty-one bytes", N: 200, Data: []byte{0, 255}, Items: []Item{{A: 1 << 33}}}
			for range 300 { // ids of more than one byte
				var reply Reply
				if err := client.Call("Test.Echo", args, &reply); err != nil {
					t.Fatal(err)
				}
				if reply.Text != args.Text || reply.N != 200 || !bytes.Equal(reply.Data, args.Data) || reply.Items[0].A != 1<<33 {
					t.Fatalf("%+v", reply)
				}
			}
			err := client.Call("Test.Fail", &Args{Text: "teapot"}, new(Reply))
			if err == nil || err.Error() != "teapot: this is a teapot" {
				t.Errorf("error: %v", err)
			}
		})
	}
}

func TestInterop_ReadyMadeServer(t *testing.T) {
	for name, writeExt := range dialects {
		t.Run(name, func(t *testing.T) {
			server := rpc.NewServer()
			if err := server.RegisterName("Test", &TestService{}); err != nil {
				t.Fatal(err)
			}
			address := scriptedPeer(t, func(conn net.Conn) {
				server.ServeCodec(codec.MsgpackSpecRpc.ServerCodec(conn, readyMade(writeExt)))
			})
			c := startClient(t, ClientOptions{Address: address})
			args := &Args{Text: "a text longer than thirty-one bytes", N: 200, Data: []byte{0, 255}, Items: []Item{{A: 1 << 33}}}
			for range 300 {
				var reply Reply
				if err := c.Call(withPatience(t), "Test.Echo", args, &reply, nil); err != nil {
					t.Fatal(err)
				}
				if reply.Text != args.Text || reply.N != 200 || !bytes.Equal(reply.Data, args.Data) || reply.Items[0].A != 1<<33 {
					t.Fatalf("%+v", reply)
				}
			}
			if err := c.Call(withPatience(t), "Test.Fail", &Args{Text: "teapot"}, new(Reply), nil); !errors.Is(err, errTeapot) {
				t.Errorf("error: %v", err)
			}
		})
	}
}

// TestInterop_NodeJS calls from a program that shares no line with this one.
func TestInterop_NodeJS(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skipf("no Node.js: %v", err)
	}
	_, _, address := startServer(t, ServerOptions{})
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for method, want := range map[string]string{
		"Test.Echo":  `[1,7,null,{"Data":"0001ff","Items":[],"N":300,"Text":"héllo"}]`,
		"Test.Gone":  `[1,7,"unknown_method: there is no method \"Test.Gone\"",null]`,
		"Test.Large": `[1,7,null,{"Data":"` + zeros(300) + `","Items":null,"N":0,"Text":""}]`,
	} {
		out, err := exec.CommandContext(ctx, node, "testdata/call.js", host, port, method).Output()
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		var got, wanted any
		if err := errors.Join(json.Unmarshal(out, &got), json.Unmarshal([]byte(want), &wanted)); err != nil {
			t.Fatalf("%s: %v in %s", method, err, out)
		}
		if g, w := marshal(t, got), marshal(t, wanted); g != w {
			t.Errorf("%s:\ngot  %s\nwant %s", method, g, w)
		}
	}
}

func zeros(n int) string { return string(bytes.Repeat([]byte("00"), n)) }

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
