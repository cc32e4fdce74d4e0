package domain

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// deriveKey makes a key of 32 octets from the program's secret (HKDF, RFC 5869): a key of another purpose tells nothing of it.
func deriveKey(secret, purpose string) (string, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "tickr users "+purpose, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive the key of a %s: %w", purpose, err)
	}
	return string(key), nil
}
