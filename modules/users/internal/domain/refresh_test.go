package domain_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

var sessionID = uuid.MustParse("0199c0de-0000-7000-8000-000000000001")

func refreshKey(t require.TestingT, secret string) domain.RefreshKey {
	key, err := domain.NewRefreshKey(secret)
	require.NoError(t, err)
	return key
}

func TestRefreshTokenRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "raw")
		text := base64.RawURLEncoding.EncodeToString(raw)
		token, ok := domain.ParseRefreshToken(text)
		require.True(t, ok)
		require.Equal(t, text, token.Reveal())
		require.Equal(t, uuid.UUID(raw[:16]), token.Session())
		sum := sha256.Sum256(raw)
		require.Equal(t, sum[:], token.Hash())
	})
}

func TestParseRefreshTokenRefuses(t *testing.T) {
	t.Parallel()
	valid := refreshKey(t, "secret").First(sessionID).Reveal()
	require.Len(t, valid, 86)
	for name, text := range map[string]string{
		"empty":            "",
		"one octet under":  valid[:84],
		"one octet over":   valid + "AA",
		"padded":           valid + "==",
		"not base64":       strings.Repeat("!", 86),
		"standard base64":  strings.Repeat("+", 86),
		"stray bits":       valid[:85] + "B",
		"surrounding line": valid + "\n",
		"line inside":      valid[:40] + "\n" + valid[40:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, ok := domain.ParseRefreshToken(text)
			require.False(t, ok)
		})
	}
}

func FuzzParseRefreshToken(f *testing.F) {
	key := refreshKey(f, "secret")
	f.Add(key.First(sessionID).Reveal())
	f.Add("")
	f.Add(strings.Repeat("A", 86))
	f.Add(strings.Repeat("A", 85) + "B")
	f.Fuzz(func(t *testing.T, text string) {
		token, ok := domain.ParseRefreshToken(text)
		if !ok {
			return
		}
		require.Equal(t, text, token.Reveal(), "a token has one text")
		next := key.Next(token)
		require.Equal(t, next, key.Next(token), "a token has one successor")
		require.Equal(t, token.Session(), next.Session())
		require.True(t, key.Issued(next))
	})
}

func TestRefreshKey(t *testing.T) {
	t.Parallel()
	key, other := refreshKey(t, "secret"), refreshKey(t, "another")
	first := key.First(sessionID)

	require.Equal(t, sessionID, first.Session())
	require.NotEqual(t, first.Reveal(), key.First(sessionID).Reveal())
	require.True(t, key.Issued(first))
	require.False(t, other.Issued(first))
	require.True(t, refreshKey(t, "secret").Issued(first), "the key follows from the secret")

	require.Equal(t, key.Next(first), refreshKey(t, "secret").Next(first))
	require.NotEqual(t, key.Next(first).Reveal(), other.Next(first).Reveal())
	require.True(t, key.Issued(key.Next(key.Next(first))), "however long ago")
}

func TestRefreshKeyRecognisesNoChangedToken(t *testing.T) {
	t.Parallel()
	key := refreshKey(t, "secret")
	raw, err := base64.RawURLEncoding.DecodeString(key.First(sessionID).Reveal())
	require.NoError(t, err)
	for i := range raw {
		raw[i] ^= 1
		token, ok := domain.ParseRefreshToken(base64.RawURLEncoding.EncodeToString(raw))
		require.True(t, ok)
		require.False(t, key.Issued(token), "octet %d", i)
		raw[i] ^= 1
	}
}

func TestRefreshTokenAndKeyDoNotPrint(t *testing.T) {
	t.Parallel()
	key := refreshKey(t, "secret")
	token := key.First(sessionID)
	raw, err := base64.RawURLEncoding.DecodeString(token.Reveal())
	require.NoError(t, err)
	secret := raw[16:48]
	requireSecret(t, token, token.Reveal(), fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprint(secret), "[]"))
	require.Equal(t, "[redacted]", fmt.Sprint(token))
	require.Equal(t, "[redacted]", fmt.Sprintf("%#v", token))

	for _, purpose := range []string{"successor", "tag"} {
		derived, err := hkdf.Key(sha256.New, []byte("secret"), nil, "tickr users refresh token "+purpose, sha256.Size)
		require.NoError(t, err)
		requireSecret(t, key, fmt.Sprintf("%x", derived), strings.Trim(fmt.Sprint(derived), "[]"))
	}
}
