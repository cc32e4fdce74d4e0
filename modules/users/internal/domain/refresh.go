package domain

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"

	"github.com/google/uuid"
)

// RefreshToken is what a client exchanges for its next access token: the session's ID, a secret, and a tag by which the program
// recognises a token it once issued without having stored it. Opaque to everybody else.
type RefreshToken struct {
	session uuid.UUID
	secret  [32]byte
	tag     [16]byte
}

const refreshTokenSize = 16 + 32 + 16

// ParseRefreshToken reads what String wrote. It says nothing of whether the token was ever issued.
func ParseRefreshToken(text string) (RefreshToken, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != refreshTokenSize {
		return RefreshToken{}, false
	}
	return RefreshToken{session: uuid.UUID(raw[:16]), secret: [32]byte(raw[16:48]), tag: [16]byte(raw[48:])}, true
}

// Session returns the ID of the session that the token claims to belong to.
func (t RefreshToken) Session() uuid.UUID { return t.session }

// Reveal returns the token as the client holds it: 86 characters of URL-safe base64.
func (t RefreshToken) Reveal() string { return base64.RawURLEncoding.EncodeToString(t.bytes()) }

// String hides the token.
func (t RefreshToken) String() string { return "[redacted]" }

// GoString hides the token from %#v.
func (t RefreshToken) GoString() string { return "[redacted]" }

// Hash returns what is stored of the token.
func (t RefreshToken) Hash() []byte {
	sum := sha256.Sum256(t.bytes())
	return sum[:]
}

func (t RefreshToken) bytes() []byte {
	raw := make([]byte, 0, refreshTokenSize)
	raw = append(raw, t.session[:]...)
	raw = append(raw, t.secret[:]...)
	return append(raw, t.tag[:]...)
}

// RefreshKey makes and recognises refresh tokens.
type RefreshKey struct{ successor, tag []byte }

// NewRefreshKey derives the key from the program's secret (HKDF, RFC 5869).
func NewRefreshKey(secret string) (RefreshKey, error) {
	derive := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, []byte(secret), nil, "tickr users refresh token "+purpose, sha256.Size)
	}
	successor, err := derive("successor")
	if err != nil {
		return RefreshKey{}, fmt.Errorf("derive refresh key: %w", err)
	}
	tag, err := derive("tag")
	if err != nil {
		return RefreshKey{}, fmt.Errorf("derive refresh key: %w", err)
	}
	return RefreshKey{successor: successor, tag: tag}, nil
}

// First returns the first token of a session, from 32 random bytes.
func (k RefreshKey) First(session uuid.UUID) RefreshToken {
	var secret [32]byte
	rand.Read(secret[:])
	return k.seal(session, secret)
}

// Next returns the one successor of a token. It is derived, so that a client which lost the answer can be given the same one
// again although only its hash is stored.
func (k RefreshKey) Next(t RefreshToken) RefreshToken {
	return k.seal(t.session, [32]byte(mac(k.successor, t.bytes())))
}

// Issued reports whether the token was made with this key, however long ago.
func (k RefreshKey) Issued(t RefreshToken) bool {
	want := k.seal(t.session, t.secret)
	return subtle.ConstantTimeCompare(want.tag[:], t.tag[:]) == 1
}

func (k RefreshKey) seal(session uuid.UUID, secret [32]byte) RefreshToken {
	t := RefreshToken{session: session, secret: secret}
	copy(t.tag[:], mac(k.tag, t.session[:], t.secret[:]))
	return t
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}
