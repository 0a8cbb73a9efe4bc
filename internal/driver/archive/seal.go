package archive

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/vigil-health/vigil"
)

// Key seals an archive, or opens it. The zero value neither.
type Key struct {
	Passphrase string
	Recipient  string // age1…, one or more separated by spaces or lines: to seal
	Identity   string // AGE-SECRET-KEY-…, as in a file of age-keygen: to open
}

// Empty says whether there is nothing to seal with.
func (k Key) Empty() bool { return k.Passphrase == "" && k.Recipient == "" }

const ageMagic = "age-encryption.org/"

// Seal returns a writer that encrypts to w; it must be closed. Without a key it writes through.
func (k Key) Seal(w io.Writer) (io.WriteCloser, error) {
	switch {
	case k.Passphrase != "" && k.Recipient != "":
		return nil, vigil.Errorf(vigil.Invalid, "archive.seal", "either a passphrase or a recipient, not both")
	case k.Passphrase != "":
		r, err := age.NewScryptRecipient(k.Passphrase)
		if err != nil {
			return nil, err
		}
		return age.Encrypt(w, r)
	case k.Recipient != "":
		list, err := age.ParseRecipients(strings.NewReader(strings.Join(strings.Fields(k.Recipient), "\n")))
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "archive.seal", "the recipient is no public key of age (age1…): %w", err)
		}
		return age.Encrypt(w, list...)
	}
	return through{w}, nil
}

type through struct{ io.Writer }

func (through) Close() error { return nil }

// Open returns what the archive holds, decrypted when it is sealed. It returns Denied when the key does not fit and
// Invalid when there is none.
func (k Key) Open(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	head, err := b.Peek(len(ageMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, vigil.Errorf(vigil.Unavailable, "archive.open", "the backup cannot be read: %w", err)
	}
	if string(head) != ageMagic {
		return b, nil
	}
	var ids []age.Identity
	switch {
	case k.Identity != "":
		if ids, err = age.ParseIdentities(strings.NewReader(k.Identity)); err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "archive.open", "the identity is no file of age-keygen: %w", err)
		}
	case k.Passphrase != "":
		id, err := age.NewScryptIdentity(k.Passphrase)
		if err != nil {
			return nil, err
		}
		ids = []age.Identity{id}
	default:
		return nil, vigil.Errorf(vigil.Invalid, "archive.open", "the backup is encrypted; give its passphrase or identity")
	}
	out, err := age.Decrypt(b, ids...)
	if err != nil {
		return nil, vigil.Errorf(vigil.Denied, "archive.open", "the backup does not open with this key: %w", err)
	}
	return out, nil
}
