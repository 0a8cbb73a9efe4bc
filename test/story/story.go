// Package story holds the stories of the house and the test that tells each of them to a whole Vigil on virtual time.
//
// The language and the telling live in internal/sim; nothing here is part of the program. Start at sara.story.
package story
