// Package emulate boots emulated boards that run pipit: a Raspberry Pi Zero
// (ARM1176) and an AST2600 (Cortex-A7), with sensors on I²C, GPIO lines and a
// network to this machine. `make emulate` runs its tests.
//
//	packages ──Fetch──> cache ──Prepare──> Kit (QEMU, kernel, busybox)
//	Kit + files ──Boot──> VM: a shell on the serial console, QMP for the hardware
//
// What is emulated is the processor and its peripherals; the kernel with its
// drivers is Debian's own. Nothing is installed: QEMU, kernels and busybox are
// Debian packages, each held by its checksum, that are unpacked into a
// temporary folder.
//
// The tests that boot boards carry the build tag emulate, so that
// `go test ./...` neither runs nor skips them.
package emulate
