// Package jwt signs and checks access tokens: JSON web tokens of one narrow form (RFC 9068, RFC 8725). It knows nothing of
// sessions or users beyond their IDs.
package jwt

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

const (
	issuer     = "tickr"
	audience   = "tickr-api"
	headerType = "at+jwt"

	// header begins every token of ours: {"alg":"HS256","typ":"at+jwt"} and no other spelling of it. Whatever else a header may
	// hold (kid, jku, x5u, crit...) would ask to be looked up, trusted or understood.
	header = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9."

	// minSecret is the least that RFC 7518 section 3.2 allows for HS256, in octets.
	minSecret = 32
	// maxToken bounds what is parsed before the signature is known to be right. A token of ours has about 450 octets.
	maxToken = 4 << 10
	// clockSkew is how far the clock of the instance that issued a token may be ahead. Nothing is added to its life.
	clockSkew = 5 * time.Second
)

// Signer issues and verifies access tokens. It is safe for concurrent use.
type Signer struct {
	secret []byte
	keys   jwt.VerificationKeySet
	parser *jwt.Parser
	now    func() time.Time
}

var _ application.AccessTokens = (*Signer)(nil)

// New returns a signer. secret signs and verifies; previous, which may be empty, still verifies. It fails when one of them is
// shorter than 32 octets.
func New(secret, previous string, now func() time.Time) (*Signer, error) {
	if len(secret) < minSecret || previous != "" && len(previous) < minSecret {
		return nil, fmt.Errorf("secret for access tokens must have at least %d octets", minSecret)
	}
	keys := []jwt.VerificationKey{[]byte(secret)}
	if previous != "" {
		keys = append(keys, []byte(previous))
	}
	return &Signer{
		secret: []byte(secret),
		keys:   jwt.VerificationKeySet{Keys: keys},
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithStrictDecoding(),
			jwt.WithoutClaimsValidation(), // claims.check does it: it can tell a token that merely expired from a wrong one
		),
		now: now,
	}, nil
}

// Issue implements application.AccessTokens. Times are cut to the second, downwards.
func (s *Signer) Issue(c application.AccessClaims) (string, error) {
	id, err := uuid.NewV7() //nolint:forbidigo // nothing is stored or looked up by it
	if err != nil {
		return "", fmt.Errorf("make token ID: %w", err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Audience:  jwt.ClaimStrings{audience},
			Subject:   c.User.String(),
			ID:        id.String(),
			IssuedAt:  jwt.NewNumericDate(c.IssuedAt),
			NotBefore: jwt.NewNumericDate(c.IssuedAt.Add(-clockSkew)),
			ExpiresAt: jwt.NewNumericDate(c.ExpiresAt),
		},
		Session: c.Session.String(),
	})
	token.Header["typ"] = headerType
	signed, err := token.SignedString(s.secret)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return signed, nil
}

// Verify implements application.AccessTokens. A token is good until the second of its exp begins, without leeway. It fails with
// users.ErrTokenExpired only for a token that was once good.
func (s *Signer) Verify(token string) (application.AccessClaims, error) {
	// Decoding skips line breaks even when it is strict: a second spelling of the same signature.
	if len(token) > maxToken || !strings.HasPrefix(token, header) || strings.ContainsAny(token, "\r\n") {
		return application.AccessClaims{}, users.ErrUnauthenticated
	}
	var c claims
	if _, err := s.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.keys, nil }); err != nil {
		return application.AccessClaims{}, users.ErrUnauthenticated
	}
	return c.check(s.now())
}

// claims is the payload of a token.
type claims struct {
	jwt.RegisteredClaims
	Session string `json:"sid"`
}

// UnmarshalJSON reads a payload strictly: with encoding/json a claim that comes twice, or in another case, would count.
func (c *claims) UnmarshalJSON(data []byte) error {
	type plain claims
	return json.Unmarshal(data, (*plain)(c))
}

// check returns what the claims say, all of which must be there. It fails with users.ErrTokenExpired when nothing but the time of
// expiry is wrong, else with users.ErrUnauthenticated.
func (c claims) check(now time.Time) (application.AccessClaims, error) {
	user, userOK := parseID(c.Subject)
	session, sessionOK := parseID(c.Session)
	_, idOK := parseID(c.ID)
	switch {
	case c.Issuer != issuer,
		len(c.Audience) != 1 || c.Audience[0] != audience,
		!userOK || !sessionOK || !idOK,
		c.IssuedAt == nil || c.NotBefore == nil || c.ExpiresAt == nil,
		now.Before(c.NotBefore.Time),
		now.Before(c.IssuedAt.Add(-clockSkew)):
		return application.AccessClaims{}, users.ErrUnauthenticated
	case !now.Before(c.ExpiresAt.Time):
		return application.AccessClaims{}, users.ErrTokenExpired
	}
	return application.AccessClaims{
		User: user, Session: session, IssuedAt: c.IssuedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(),
	}, nil
}

// parseID accepts the one spelling of an ID that Issue writes.
func parseID(s string) (uuid.UUID, bool) {
	id, err := uuid.Parse(s)
	return id, err == nil && id.String() == s
}
