package jwt

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

const (
	secret = "the secret that signs, of 32 octets or more"
	older  = "the secret that signed before it was rotated"
)

// noon is a time with a fraction of a second, which tokens do not have.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 250_000_000, time.UTC)

// clock is a time that stands until it is moved.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func signer(t *testing.T, secret, previous string) (*Signer, *clock) {
	t.Helper()
	clock := &clock{noon}
	s, err := New(secret, previous, clock.Now)
	require.NoError(t, err)
	return s, clock
}

func sample() application.AccessClaims {
	return application.AccessClaims{
		User: uuid.Must(uuid.NewV7()), Session: uuid.Must(uuid.NewV7()), IssuedAt: noon, ExpiresAt: noon.Add(15 * time.Minute),
	}
}

func issue(t *testing.T, s *Signer) string {
	t.Helper()
	token, err := s.Issue(sample())
	require.NoError(t, err)
	return token
}

func TestIssuedTokenVerifies(t *testing.T) {
	t.Parallel()
	s, _ := signer(t, secret, "")
	want := sample()
	token, err := s.Issue(want)
	require.NoError(t, err)
	got, err := s.Verify(token)
	require.NoError(t, err)
	want.IssuedAt, want.ExpiresAt = want.IssuedAt.Truncate(time.Second), want.ExpiresAt.Truncate(time.Second)
	require.Equal(t, want, got)

	again, err := s.Issue(sample())
	require.NoError(t, err)
	require.NotEqual(t, token, again)
}

func TestFormOfAToken(t *testing.T) {
	t.Parallel()
	s, _ := signer(t, secret, "")
	c := sample()
	token, err := s.Issue(c)
	require.NoError(t, err)

	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	require.JSONEq(t, `{"alg":"HS256","typ":"at+jwt"}`, decode(t, parts[0]))
	var payload map[string]any
	require.NoError(t, json.Unmarshal([]byte(decode(t, parts[1])), &payload))
	_, err = uuid.Parse(payload["jti"].(string))
	require.NoError(t, err)
	delete(payload, "jti")
	issued := noon.Truncate(time.Second)
	require.Equal(t, map[string]any{
		"iss": "tickr", "aud": []any{"tickr-api"}, "sub": c.User.String(), "sid": c.Session.String(),
		"iat": float64(issued.Unix()), "nbf": float64(issued.Add(-clockSkew).Unix()), "exp": float64(issued.Add(15 * time.Minute).Unix()),
	}, payload)
}

func decode(t *testing.T, part string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	require.NoError(t, err)
	return string(raw)
}

func TestLifeOfAToken(t *testing.T) {
	t.Parallel()
	s, clock := signer(t, secret, "")
	token := issue(t, s)
	issued := noon.Truncate(time.Second)
	for _, step := range []struct {
		name string
		now  time.Time
		want error
	}{
		{"long before", issued.Add(-time.Hour), users.ErrUnauthenticated},
		{"just before a clock behind may be", issued.Add(-clockSkew - 1), users.ErrUnauthenticated},
		{"on a clock behind", issued.Add(-clockSkew), nil},
		{"when issued", noon, nil},
		{"to the last moment", issued.Add(15*time.Minute - 1), nil},
		{"expired", issued.Add(15 * time.Minute), users.ErrTokenExpired},
		{"long after", issued.Add(24 * time.Hour), users.ErrTokenExpired},
	} {
		clock.now = step.now
		_, err := s.Verify(token)
		require.ErrorIs(t, err, step.want, step.name)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	before, _ := signer(t, older, "")
	during, clock := signer(t, secret, older)
	after, _ := signer(t, secret, "")
	old := issue(t, before)
	fresh := issue(t, during)

	for _, token := range []string{old, fresh} {
		_, err := during.Verify(token)
		require.NoError(t, err)
	}
	_, err := after.Verify(fresh)
	require.NoError(t, err, "the current secret signs")
	_, err = after.Verify(old)
	require.ErrorIs(t, err, users.ErrUnauthenticated)
	_, err = before.Verify(fresh)
	require.ErrorIs(t, err, users.ErrUnauthenticated)

	clock.now = noon.Add(time.Hour)
	_, err = during.Verify(old)
	require.ErrorIs(t, err, users.ErrTokenExpired)
}

func TestShortSecretsAreRefused(t *testing.T) {
	t.Parallel()
	const short = "31 octets are one less than 32."
	for _, secrets := range [][2]string{{"", ""}, {short, ""}, {secret, short}, {short, secret}} {
		_, err := New(secrets[0], secrets[1], time.Now)
		require.Error(t, err)
		require.NotContains(t, err.Error(), short)
	}
	_, err := New(short+"!", "", time.Now)
	require.NoError(t, err)
}
