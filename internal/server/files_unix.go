//go:build unix

package server

import (
	"runtime"
	"syscall"
)

// openFiles returns how many files and connections the process may have open; Go raises the soft limit to the hard one.
func openFiles() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Max)
}

// lowThread binds the goroutine to a thread of its own and lets every other thread go first. The thread ends with the
// goroutine: a priority that was given up does not come back.
func lowThread() {
	runtime.LockOSThread()
	if runtime.GOOS == "linux" { // elsewhere the priority is that of the whole process
		syscall.Setpriority(syscall.PRIO_PROCESS, 0, 10) //nolint:errcheck // as it was, then
	}
}
