package relational

// Seal and Sealed are what a page costs when it is written and read.
var (
	Seal   = seal
	Sealed = sealed
)

// Words and Schema are how PostgreSQL is told queries and migrations.
var (
	Words  = postgresDialect{}.text
	Schema = postgresDialect{}.schema
)
