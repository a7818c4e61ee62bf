//go:build !linux

package cluster

import (
	"errors"
	"os/exec"
	"syscall"
)

var errLinuxOnly = errors.New("running a cluster needs Linux: the parent-death signal is what keeps children from outliving the harness")

func prepare(*exec.Cmd) error               { return errLinuxOnly }
func signalGroup(int, syscall.Signal) error { return errLinuxOnly }
func stopped(int) (bool, error)             { return false, errLinuxOnly }
