package domain

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
)

// Sealer encrypts secrets that must wait in the database, such as the token in a mail that was not sent yet, so that a leaked
// database holds nothing that can be used.
type Sealer struct{ aeads []cipher.AEAD }

// NewSealer derives a key from each of the program's secrets (HKDF, RFC 5869). The first seals, all open.
func NewSealer(secrets ...string) (Sealer, error) {
	var s Sealer
	for _, secret := range secrets {
		key, err := deriveKey(secret, "sealed secret")
		if err != nil {
			return Sealer{}, err
		}
		block, err := aes.NewCipher([]byte(key))
		if err != nil {
			return Sealer{}, fmt.Errorf("make sealing cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return Sealer{}, fmt.Errorf("make sealing cipher: %w", err)
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

// Seal encrypts secret so that it opens only together with label, which says what it belongs to (AES-256-GCM).
func (s Sealer) Seal(secret string, label []byte) []byte {
	return s.aeads[0].Seal(nil, nil, []byte(secret), label) //nolint:gosec // this AEAD makes its own random nonce
}

// Open decrypts what Seal made. It fails when the keys or the label are not the ones it was sealed with.
func (s Sealer) Open(sealed, label []byte) (string, error) {
	for _, aead := range s.aeads {
		if secret, err := aead.Open(nil, nil, sealed, label); err == nil {
			return string(secret), nil
		}
	}
	return "", errors.New("sealed secret does not open with any current key")
}
