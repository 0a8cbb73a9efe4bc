// Package layout holds the rules of the house as tests: floors, arrows, sizes, names and comments.
//
// It imports nothing of the house and ships nothing in the binary; its tests read the tree and name every break with
// file, line and reason. Exceptions stand in exceptions.go, each with its reason. Start at layout_test.go.
package layout
