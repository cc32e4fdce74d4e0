package domain

import "encoding/hex"

// PseudonymKey gives values a name by which they are recognised and not known: a keyed hash, as there are so few addresses and numbers
// that a plain one tells them. It does not print, for the same reason as a RefreshToken.
type PseudonymKey struct{ key *string }

// NewPseudonymKey derives the key from the program's secret (HKDF, RFC 5869).
func NewPseudonymKey(secret string) (PseudonymKey, error) {
	key, err := deriveKey(secret, "pseudonym")
	return PseudonymKey{&key}, err
}

// Pseudonym returns 32 hexadecimal digits, the same for the same value of the same kind. A kind holds no NUL.
func (k PseudonymKey) Pseudonym(kind, value string) string {
	return hex.EncodeToString(mac(*k.key, []byte(kind), []byte{0}, []byte(value))[:16])
}
