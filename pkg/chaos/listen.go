package chaos

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// socket is a TCP port that stays bound for as long as its link lives. It listens only
// between listen and unlisten: in between dials are refused and nobody else can take the port.
//
// SO_REUSEADDR is on while it binds and listens (connections in TIME_WAIT do not keep the port) and off while it
// does not listen, when it would let another process listen there.
type socket struct {
	fd   int
	addr *net.TCPAddr // with the real port
	ln   *net.TCPListener
}

// bindSocket binds addr. Its errors read like those of net.Listen.
func bindSocket(addr *net.TCPAddr) (*socket, error) {
	fd, err := openBound(addr)
	if err != nil {
		return nil, bindError(addr, err)
	}
	if addr.Port != 0 {
		return newSocket(fd, addr)
	}
	// The kernel gives a port that it chose itself back once the socket stops listening. So bind the
	// chosen port by its number, while the first socket keeps others away from it.
	chosen, err := boundAddr(fd)
	if err != nil {
		return nil, bindError(addr, closing(fd, err))
	}
	second, err := openBound(chosen)
	if err = closing(fd, err); err != nil {
		return nil, bindError(chosen, err)
	}
	return newSocket(second, chosen)
}

func newSocket(fd int, addr *net.TCPAddr) (*socket, error) {
	real, err := boundAddr(fd)
	if err == nil {
		err = setReuse(fd, 0)
	}
	if err != nil {
		return nil, bindError(addr, closing(fd, err))
	}
	return &socket{fd: fd, addr: real}, nil
}

// listen opens the port to dials. Each call gives a listener of its own.
func (k *socket) listen() (*net.TCPListener, error) {
	if err := setReuse(k.fd, 1); err != nil {
		return nil, bindError(k.addr, err)
	}
	if err := unix.Listen(k.fd, unix.SOMAXCONN); err != nil {
		return nil, bindError(k.addr, os.NewSyscallError("listen", err))
	}
	dup, err := unix.FcntlInt(uintptr(k.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, bindError(k.addr, os.NewSyscallError("dup", err))
	}
	f := os.NewFile(uintptr(dup), "listener")
	ln, err := net.FileListener(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, bindError(k.addr, err)
	}
	k.ln = ln.(*net.TCPListener)
	return k.ln, nil
}

// unlisten refuses further dials and resets those not yet accepted, but keeps the port.
func (k *socket) unlisten() error {
	if k.ln == nil {
		return nil
	}
	err := unix.Shutdown(k.fd, unix.SHUT_RD)
	if closeErr := k.ln.Close(); err == nil {
		err = closeErr
	}
	k.ln = nil
	if err == nil {
		err = setReuse(k.fd, 0)
	}
	if err != nil {
		return fmt.Errorf("stop listening on %s: %w", k.addr, err)
	}
	return nil
}

func (k *socket) close() error {
	err := k.unlisten()
	return closing(k.fd, err)
}

func openBound(addr *net.TCPAddr) (int, error) {
	family, sa := sockaddr(addr)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := setReuse(fd, 1); err != nil {
		return -1, closing(fd, err)
	}
	if family == unix.AF_INET6 && (len(addr.IP) == 0 || addr.IP.IsUnspecified()) { // [::] takes IPv4 too, as net.Listen has it
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return -1, closing(fd, os.NewSyscallError("setsockopt", err))
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return -1, closing(fd, os.NewSyscallError("bind", err))
	}
	return fd, nil
}

func sockaddr(addr *net.TCPAddr) (family int, sa unix.Sockaddr) {
	if ip4 := addr.IP.To4(); ip4 != nil {
		return unix.AF_INET, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip4)}
	}
	v6 := &unix.SockaddrInet6{Port: addr.Port}
	copy(v6.Addr[:], addr.IP.To16()) // no address at all is [::]
	if zone, err := net.InterfaceByName(addr.Zone); err == nil {
		v6.ZoneId = uint32(zone.Index)
	}
	return unix.AF_INET6, v6
}

func boundAddr(fd int) (*net.TCPAddr, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}, nil
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}, nil
	}
	return nil, fmt.Errorf("a TCP socket has an address of type %T", sa)
}

func setReuse(fd, on int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, on))
}

// closing closes fd and returns err, or what closing met if err is nil.
func closing(fd int, err error) error {
	if closeErr := unix.Close(fd); err == nil {
		return os.NewSyscallError("close", closeErr)
	}
	return err
}

func bindError(addr *net.TCPAddr, err error) error {
	return &net.OpError{Op: "listen", Net: "tcp", Addr: addr, Err: err}
}
