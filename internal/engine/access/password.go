package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/vigil-health/vigil"
	"golang.org/x/crypto/argon2"
)

// Argon2id after the OWASP password storage cheat sheet: 19 MiB, 2 passes, 1 lane. The parameters stand in each hash,
// so that they can rise without ending old passwords.
const (
	argonMemory = 19 * 1024 // KiB
	argonTime   = 2
	argonLanes  = 1
	saltLen     = 16
	keyLen      = 32
)

// hash returns the PHC string of a password.
func (a *Accounts) hash(ctx context.Context, password string) (string, error) {
	salt, err := a.random(saltLen)
	if err != nil {
		return "", err
	}
	done, err := a.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return phc(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, keyLen)), nil
}

func phc(salt, key []byte) string {
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes, enc(salt), enc(key))
}

// verify compares a password with a PHC string in constant time.
func (a *Accounts) verify(ctx context.Context, phc, password string) (bool, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || len(password) > passwordMax {
		return false, nil
	}
	var memory, passes uint32
	var lanes uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil || memory > 1<<20 || passes == 0 || passes > 100 || lanes == 0 {
		return false, nil
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(key) == 0 {
		return false, nil
	}
	done, err := a.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

// turn bounds how many hashes are computed at once, so that sign-ins cannot take the memory of the house.
func (a *Accounts) turn(ctx context.Context) (done func(), err error) {
	select {
	case a.hashing <- struct{}{}:
		return func() { <-a.hashing }, nil
	case <-ctx.Done():
		return nil, vigil.Errorf(vigil.Unavailable, "access.password", "the server is busy: %w", ctx.Err())
	}
}
