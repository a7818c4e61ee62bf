package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestCall_CarriesArgumentsAndReply(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	args := Args{Text: "héllo", N: -7, Data: []byte{0, 255}, Items: []Item{{A: 1 << 40, Kind: 1, Data: []byte("x")}, {}}}
	reply := Reply{Text: "stale", Items: []Item{{A: 9}}}
	sent := make(chan struct{}, 1)
	if err := c.Call(withPatience(t), "Test.Echo", &args, &reply, func() { sent <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if reply.Text != args.Text || reply.N != args.N || !bytes.Equal(reply.Data, args.Data) || len(reply.Items) != 2 || reply.Items[0].A != 1<<40 {
		t.Errorf("%+v", reply)
	}
	within(t, sent, "the sent callback")
}

func TestCall_AbsentFieldsDoNotKeepOldValues(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	reply := struct{ Text, Other string }{"old", "old"}
	if err := c.Call(withPatience(t), "Test.Echo", &Args{Text: "new"}, &reply, nil); err != nil {
		t.Fatal(err)
	}
	if reply.Text != "new" || reply.Other != "" {
		t.Errorf("%+v", reply)
	}
}

func TestErrors_EveryRowCrossesASocket(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	for _, row := range testCodes().all() {
		err := c.Call(withPatience(t), "Test.Fail", &Args{Text: row.Name}, &Reply{}, nil)
		remote, ok := errors.AsType[*Error](err)
		if !errors.Is(err, row.Err) || !ok || remote.Code != row.Name || remote.Text != row.Err.Error() {
			t.Errorf("%s: %v", row.Name, err)
		}
		for _, other := range testCodes().all() {
			if other.Err != row.Err && errors.Is(err, other.Err) {
				t.Errorf("%s is also %v", row.Name, other.Err)
			}
		}
	}
}

func TestErrors_EmptyTextIsStillAnError(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	if err := c.Call(withPatience(t), "Test.Fail", &Args{Text: "empty"}, &Reply{}, nil); !errors.Is(err, errTeapot) {
		t.Errorf("got %v", err)
	}
}

func TestErrors_PlainTextGetsACode(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address})
	err := c.Call(withPatience(t), "Test.Fail", &Args{Text: "plain"}, &Reply{}, nil)
	remote, ok := errors.AsType[*Error](err)
	if !ok || remote.Code != "error" || remote.Text != "plain: no code" || !errors.Is(err, ErrRemote) {
		t.Errorf("got %v", err)
	}
}

func TestServer_UnknownMethodLeavesTheConnection(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	dials := make(chan error, 10)
	c := startClient(t, ClientOptions{Address: address, Metrics: ClientMetrics{Dialed: func(err error) { dials <- err }}})
	for _, method := range []string{"Test.Nothing", "Nobody.Echo", "nodot"} {
		if err := c.Call(withPatience(t), method, &Args{}, &Reply{}, nil); !errors.Is(err, ErrUnknownMethod) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil || len(dials) != 1 {
		t.Errorf("then %v over %d connections", err, len(dials))
	}
}

func TestServer_ReplyThatCannotBeSentIsAnError(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{Limits: Limits{MaxFrameBytes: 10_000, MaxValues: 1000}})
	c := startClient(t, ClientOptions{Address: address})
	for _, test := range []struct {
		method string
		n      int
		want   error
	}{
		{"Test.Unencodable", 0, ErrUnencodable},
		{"Test.Large", 10_000, ErrFrameTooLarge},
		{"Test.Many", 500, ErrFrameTooLarge},
		{"Test.Large", 9000, nil},
		{"Test.Many", 100, nil},
	} {
		if err := c.Call(withPatience(t), test.method, &Args{N: test.n}, &Reply{}, nil); !errors.Is(err, test.want) {
			t.Errorf("%s %d: %v, want %v", test.method, test.n, err, test.want)
		}
	}
}

func TestClient_RequestThatCannotBeSentIsNotSent(t *testing.T) {
	_, _, address := startServer(t, ServerOptions{})
	c := startClient(t, ClientOptions{Address: address, Limits: Limits{MaxFrameBytes: 10_000, MaxValues: 1000}})
	neverSent := func() { t.Error("sent was called") }
	for _, test := range []struct {
		args any
		want error
	}{
		{&Strange{Any: complex(1, 2)}, ErrUnencodable},
		{&Args{Data: make([]byte, 10_000)}, ErrFrameTooLarge},
		{&Args{Items: make([]Item, 500)}, ErrFrameTooLarge},
	} {
		if err := c.Call(withPatience(t), "Test.Echo", test.args, &Reply{}, neverSent); !errors.Is(err, test.want) {
			t.Errorf("%T: %v, want %v", test.args, err, test.want)
		}
	}
	if err := c.Call(withPatience(t), "Test.Echo", &Args{}, &Reply{}, nil); err != nil {
		t.Error(err)
	}
}

// Header is embedded as a transport embeds what all its requests share.
type Header struct{ Cluster, From string }

type embedding struct {
	Header
	Item
}

func TestEncoding_EmbeddedStructsAreFlat(t *testing.T) {
	limits := Limits{}.withDefaults()
	h := newHandle(limits)
	e := newEncoder(h, limits)
	if err := e.encode(&embedding{Header{"c", "n1"}, Item{A: 300, Data: []byte("d")}}); err != nil {
		t.Fatal(err)
	}
	body := e.buf[headRoom:]
	for _, name := range []string{"Cluster", "From", "A", "B", "Kind", "Data"} {
		if _, ok := Field(body, name); !ok {
			t.Errorf("no field %s at the top of %x", name, body)
		}
	}
	var got embedding
	if err := newDecoder(h).decode(body, &got); err != nil || got.From != "n1" || got.A != 300 || string(got.Data) != "d" {
		t.Errorf("%+v, %v", got, err)
	}
}
