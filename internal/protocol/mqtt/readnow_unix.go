//go:build unix

package mqtt

import "syscall"

// readNow reads what is there; wait means that nothing is.
func readNow(fd uintptr, p []byte) (n int, wait bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return 0, true, nil
		case nil:
			return n, false, nil
		}
		return 0, false, err
	}
}
