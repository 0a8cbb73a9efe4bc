//go:build !unix

package mqtt

import "syscall"

// readNow reads what is there; wait means that nothing is.
func readNow(fd uintptr, p []byte) (n int, wait bool, err error) {
	n, err = syscall.Read(syscall.Handle(fd), p)
	return max(n, 0), err == syscall.Errno(10035), err // WSAEWOULDBLOCK
}
