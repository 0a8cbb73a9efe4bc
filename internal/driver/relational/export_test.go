package relational

// Seal and Sealed are what a page costs when it is written and read.
var (
	Seal   = seal
	Sealed = sealed
)
