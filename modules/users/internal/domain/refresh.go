package domain

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/google/uuid"
)

// RefreshToken is what a client exchanges for its next access token: the session's ID, a secret, and a tag by which the program
// recognises a token it once issued without having stored it. Opaque to everybody else. The zero value is no token.
type RefreshToken struct {
	session uuid.UUID
	secret  *string // 32 octets; a pointer, so that fmt cannot reach it even in an unexported field of a struct
	tag     [16]byte
}

const refreshTokenSize = 16 + 32 + 16

// ParseRefreshToken reads what Reveal wrote. It says nothing of whether the token was ever issued.
func ParseRefreshToken(text string) (RefreshToken, bool) {
	raw, ok := DecodeExactly(text, refreshTokenSize)
	if !ok {
		return RefreshToken{}, false
	}
	secret := string(raw[16:48])
	return RefreshToken{session: uuid.UUID(raw[:16]), secret: &secret, tag: [16]byte(raw[48:])}, true
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
	raw = append(raw, *t.secret...)
	return append(raw, t.tag[:]...)
}

// RefreshKey makes and recognises refresh tokens. It does not print, for the same reason as a RefreshToken.
type RefreshKey struct{ successor, tag *string }

// NewRefreshKey derives the key from the program's secret (HKDF, RFC 5869).
func NewRefreshKey(secret string) (RefreshKey, error) {
	successor, err := deriveKey(secret, "refresh token successor")
	if err != nil {
		return RefreshKey{}, err
	}
	tag, err := deriveKey(secret, "refresh token tag")
	return RefreshKey{successor: &successor, tag: &tag}, err
}

// First returns the first token of a session, from 32 random bytes.
func (k RefreshKey) First(session uuid.UUID) RefreshToken {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	return k.seal(session, string(secret))
}

// Next returns the one successor of a token. It is derived, so that a client which lost the answer can be given the same one
// again although only its hash is stored.
func (k RefreshKey) Next(t RefreshToken) RefreshToken {
	return k.seal(t.session, string(mac(*k.successor, t.bytes())))
}

// Issued reports whether the token was made with this key, however long ago.
func (k RefreshKey) Issued(t RefreshToken) bool {
	want := k.seal(t.session, *t.secret)
	return subtle.ConstantTimeCompare(want.tag[:], t.tag[:]) == 1
}

func (k RefreshKey) seal(session uuid.UUID, secret string) RefreshToken {
	t := RefreshToken{session: session, secret: &secret}
	copy(t.tag[:], mac(*k.tag, session[:], []byte(secret)))
	return t
}

func mac(key string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}
