package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// TestMain plays a process of a cluster when this test binary is called by its name.
func TestMain(m *testing.M) {
	switch filepath.Base(os.Args[0]) {
	case nodeProgram, mutantProgram:
		os.Exit(fakeNode(os.Args[1:]))
	case proxyProgram:
		os.Exit(fakeProxy())
	case fakeHarness:
		os.Exit(runFakeHarness(os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}
