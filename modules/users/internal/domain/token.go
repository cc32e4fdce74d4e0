package domain

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

const oneTimeTokenSize = 32 // octets of entropy

// NewOneTimeToken returns a secret to be mailed: URL-safe base64 of 32 random bytes. Only its hash is stored.
func NewOneTimeToken() string {
	secret := make([]byte, oneTimeTokenSize)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(secret)
}

// DecodeExactly reads size octets from their one text in URL-safe base64.
func DecodeExactly(text string, size int) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	// Decoding skips line breaks, even when it is strict: more than one text.
	return raw, err == nil && len(raw) == size && len(text) == base64.RawURLEncoding.EncodedLen(size)
}

// HashToken returns what is stored of a one-time token. A plain hash is enough: the token has 256 bits of entropy.
func HashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
