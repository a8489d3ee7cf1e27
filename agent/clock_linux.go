package agent

import "syscall"

// KernelSynced tells whether the kernel says that its clock is synchronised:
// an NTP client keeps it so (adjtimex(2)). It is false where the system call is
// not allowed, as under systemd's ProtectClock.
func KernelSynced() bool {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	return err == nil && synchronised(state, t.Status)
}

func synchronised(state int, status int32) bool {
	const (
		timeError = 5    // TIME_ERROR
		unsynced  = 0x40 // STA_UNSYNC
	)
	return state != timeError && status&unsynced == 0
}
