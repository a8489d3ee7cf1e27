// Package cross gets pipit onto a board. The script build makes the binaries;
// the tests of this package check them, and the project's other scripts.
package cross
