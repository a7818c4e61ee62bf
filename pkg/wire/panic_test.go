package wire

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// PanicService has broken reasoning.
type PanicService struct{}

func (PanicService) Panic(*Args, *Reply) error { panic("an invariant does not hold") }

const panicChild = "WIRE_PANIC_CHILD"

func TestServer_PanicInAMethodEndsTheProcess(t *testing.T) {
	if os.Getenv(panicChild) != "" {
		callPanic(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout="+patience.String())
	child.Env = append(os.Environ(), panicChild+"=1")
	out, err := child.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); !exited || !strings.Contains(string(out), "panic: an invariant does not hold") {
		t.Errorf("the child ended with %v:\n%s", err, out)
	}
}

// callPanic does not return.
func callPanic(t *testing.T) {
	server := NewServer(ServerOptions{})
	if err := server.Register("Test", PanicService{}); err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server.serveConn(far)
	c := NewClient(ClientOptions{Dial: func(context.Context, string) (net.Conn, error) { return near, nil }})
	t.Fatalf("the call returned: %v", c.Call(withPatience(t), "Test.Panic", &Args{}, nil, nil))
}
