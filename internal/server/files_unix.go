//go:build unix

package server

import "syscall"

// openFiles returns how many files and connections the process may have open; Go raises the soft limit to the hard one.
func openFiles() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Max)
}
