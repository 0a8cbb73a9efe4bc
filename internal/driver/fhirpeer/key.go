package fhirpeer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/go-jose/go-jose/v4"

	"github.com/vigil-health/vigil"
)

// NewKey makes a private key for an algorithm, ES384 or RS384. Its kid is the key's thumbprint (RFC 7638).
func NewKey(alg string) (*Key, error) {
	k := jose.JSONWebKey{Algorithm: alg, Use: "sig"}
	var err error
	switch jose.SignatureAlgorithm(alg) {
	case jose.ES384:
		k.Key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.RS384:
		k.Key, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		return nil, vigil.Errorf(vigil.Invalid, "fhirpeer.key", "%q is neither ES384 nor RS384", alg)
	}
	if err != nil {
		return nil, vigil.Errorf(vigil.Internal, "fhirpeer.key", "the key cannot be made: %w", err)
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, vigil.Errorf(vigil.Internal, "fhirpeer.key", "the key has no thumbprint: %w", err)
	}
	k.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return &Key{k}, nil
}

// Keys are the private keys of a house. The first signs; older ones are still shown, until the others have the new one.
type Keys []*Key

// LoadKeys reads a file of keys; an absent one holds none.
func LoadKeys(path string) (Keys, error) {
	doc, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "fhirpeer.keys", "the keys cannot be read: %w", err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "fhirpeer.keys", "%s is no set of keys: %w", path, err)
	}
	var out Keys
	for _, k := range set.Keys {
		if k.IsPublic() || !k.Valid() || k.Algorithm != "ES384" && k.Algorithm != "RS384" {
			return nil, vigil.Errorf(vigil.Invalid, "fhirpeer.keys", "%s: key %s is no private key for ES384 or RS384", path, k.KeyID)
		}
		out = append(out, &Key{k})
	}
	return out, nil
}

// Save writes the keys by write, which has to leave the file whole or as it was, readable for its owner alone.
func (ks Keys) Save(path string, write func(path string, data []byte, mode os.FileMode) error) error {
	set := jose.JSONWebKeySet{}
	for _, k := range ks {
		set.Keys = append(set.Keys, k.jwk)
	}
	doc, err := json.Marshal(set)
	if err != nil {
		return vigil.Errorf(vigil.Internal, "fhirpeer.keys", "the keys cannot be written: %w", err)
	}
	if err := write(path, doc, 0o600); err != nil {
		return vigil.Errorf(vigil.Unavailable, "fhirpeer.keys", "the keys cannot be written: %w", err)
	}
	return nil
}

// Public returns the public keys as a JSON Web Key Set, to hand to the other servers.
func (ks Keys) Public() ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range ks {
		set.Keys = append(set.Keys, k.jwk.Public())
	}
	return json.MarshalIndent(set, "", "  ")
}

// First returns the key that signs, nil when there is none.
func (ks Keys) First() *Key {
	if len(ks) == 0 {
		return nil
	}
	return ks[0]
}
