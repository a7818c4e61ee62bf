package load

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Monotonic is CLOCK_MONOTONIC in nanoseconds: comparable between the processes of one machine, and
// moved by no clock fault. A system without that clock cannot run the harness, hence the panic.
func Monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(fmt.Errorf("read CLOCK_MONOTONIC: %w", err))
	}
	return now.Nano()
}
