package jwt

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha512" // HS384 and HS512, to sign with what must be refused
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
)

const goodHeader = `{"alg":"HS256","typ":"at+jwt"}`

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// forge signs a token of any header and payload.
func forge(hash crypto.Hash, key, header, payload string) string {
	text := encode(header) + "." + encode(payload)
	mac := hmac.New(hash.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// payload returns good claims with changes; a nil value removes a claim.
func payload(changes map[string]any) string {
	claims := map[string]any{
		"iss": issuer, "aud": audience, "sub": uuid.NewString(), "sid": uuid.NewString(), "jti": uuid.NewString(),
		"iat": noon.Unix(), "nbf": noon.Unix(), "exp": noon.Unix() + 900,
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestForgedTokenIsGood(t *testing.T) {
	t.Parallel()
	s, _ := signer(t, secret, "")
	_, err := s.Verify(forge(crypto.SHA256, secret, goodHeader, payload(nil)))
	require.NoError(t, err, "the attacks below start from a token that would be accepted")
}

// Every header here comes with a signature made with the right secret, so nothing but the header can be what is refused.
func TestHeaderAttacks(t *testing.T) {
	t.Parallel()
	s, _ := signer(t, secret, older)
	for _, header := range []string{
		`{"alg":"none","typ":"at+jwt"}`, `{"alg":"None","typ":"at+jwt"}`, `{"alg":"NONE","typ":"at+jwt"}`,
		`{"alg":"","typ":"at+jwt"}`, `{"alg":null,"typ":"at+jwt"}`, `{"alg":256,"typ":"at+jwt"}`, `{"typ":"at+jwt"}`,
		`{"alg":["HS256"],"typ":"at+jwt"}`, `{"alg":"hs256","typ":"at+jwt"}`, `{"alg":"HS256 ","typ":"at+jwt"}`,
		`{"alg":"HS384","typ":"at+jwt"}`, `{"alg":"HS512","typ":"at+jwt"}`, `{"alg":"RS256","typ":"at+jwt"}`,
		`{"alg":"ES256","typ":"at+jwt"}`, `{"alg":"PS256","typ":"at+jwt"}`, `{"alg":"EdDSA","typ":"at+jwt"}`,
		`{"alg":"HS256"}`, `{"alg":"HS256","typ":"JWT"}`, `{"alg":"HS256","typ":"at+JWT"}`, `{"alg":"HS256","typ":null}`,
		`{"alg":"HS256","typ":["at+jwt"]}`, `{"alg":"HS256","typ":"application/at+jwt"}`, `{"alg":"HS256","TYP":"at+jwt"}`,
		`{"alg":"HS256","typ":"at+jwt","kid":"1"}`, `{"alg":"HS256","typ":"at+jwt","kid":"../../../dev/null"}`,
		`{"alg":"HS256","typ":"at+jwt","kid":"' UNION SELECT 'key"}`,
		`{"alg":"HS256","typ":"at+jwt","jku":"https://attacker.example/keys"}`,
		`{"alg":"HS256","typ":"at+jwt","x5u":"https://attacker.example/cert"}`,
		`{"alg":"HS256","typ":"at+jwt","x5c":["MIIB"]}`, `{"alg":"HS256","typ":"at+jwt","jwk":{"kty":"oct","k":"YQ"}}`,
		`{"alg":"HS256","typ":"at+jwt","crit":["exp"]}`, `{"alg":"HS256","typ":"at+jwt","crit":[]}`,
		`{"alg":"HS256","typ":"at+jwt","b64":false,"crit":["b64"]}`, `{"alg":"HS256","typ":"at+jwt","zip":"DEF"}`,
		`{"alg":"HS256","typ":"at+jwt","cty":"JWT"}`, goodHeader + "{}",
		`{"alg":"none","alg":"HS256","typ":"at+jwt"}`, `{"alg":"HS256","typ":"JWT","typ":"at+jwt"}`, `{"typ":"at+jwt","alg":"HS256"}`,
		`null`, `[]`, `"HS256"`, ``, `{`, strings.Repeat("[", 1000),
	} {
		for name, hash := range map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512} {
			token := forge(hash, secret, header, payload(nil))
			unsigned := token[:strings.LastIndexByte(token, '.')+1]
			for _, token := range []string{token, unsigned} {
				_, err := s.Verify(token)
				require.ErrorIs(t, err, users.ErrUnauthenticated, "%s under %s", header, name)
			}
		}
	}
}

func TestForeignKeys(t *testing.T) {
	t.Parallel()
	s, _ := signer(t, secret, "")
	for _, key := range []string{"", "secret", older, secret + " ", secret[:32], strings.ToUpper(secret)} {
		_, err := s.Verify(forge(crypto.SHA256, key, goodHeader, payload(nil)))
		require.ErrorIs(t, err, users.ErrUnauthenticated)
		// An expired token of somebody else is foreign, not expired.
		_, err = s.Verify(forge(crypto.SHA256, key, goodHeader, payload(map[string]any{"exp": noon.Unix() - 1})))
		require.ErrorIs(t, err, users.ErrUnauthenticated)
		require.NotErrorIs(t, err, users.ErrTokenExpired)
	}
}

func TestClaimAttacks(t *testing.T) {
	t.Parallel()
	s, _ := signer(t, secret, "")
	attacks := []map[string]any{
		{"iss": "someone"}, {"iss": "tickr/"}, {"iss": []string{issuer}},
		{"aud": "tickr"}, {"aud": []string{}}, {"aud": []string{audience, "other"}}, {"aud": []any{1}}, {"aud": 1},
		{"sub": "admin"}, {"sub": ""}, {"sub": 1}, {"sub": "{" + uuid.NewString() + "}"}, {"sub": "urn:uuid:" + uuid.NewString()},
		{"sub": strings.ToUpper("0190a6e0-7c3b-7abc-8def-0123456789ab")}, {"sub": strings.ReplaceAll(uuid.NewString(), "-", "")},
		{"sid": "x"}, {"sid": []string{uuid.NewString()}}, {"jti": "x"}, {"jti": 7},
		{"nbf": noon.Unix() + 1}, {"nbf": noon.Unix() + 3600}, {"nbf": "now"}, {"iat": noon.Unix() + 6}, {"iat": "now"},
		{"exp": "never"}, {"exp": true}, {"exp": map[string]any{}},
		{"exp": noon.Unix() - 1, "aud": "other"}, {"exp": noon.Unix() - 1, "iss": "other"}, {"exp": noon.Unix() - 1, "sub": "x"},
		{"exp": noon.Unix() - 1, "nbf": noon.Unix() + 1},
	}
	for _, claim := range []string{"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"} {
		attacks = append(attacks, map[string]any{claim: nil}, map[string]any{claim: json.RawMessage("null")})
		_, err := s.Verify(forge(crypto.SHA256, secret, goodHeader, `{"`+claim+`":null,`+payload(nil)[1:]))
		require.ErrorIs(t, err, users.ErrUnauthenticated, "%s comes twice", claim)
		otherCase := strings.Replace(payload(nil), `"`+claim+`"`, `"`+strings.ToUpper(claim)+`"`, 1)
		_, err = s.Verify(forge(crypto.SHA256, secret, goodHeader, otherCase))
		require.ErrorIs(t, err, users.ErrUnauthenticated, "%s in another case", claim)
	}
	for _, attack := range attacks {
		_, err := s.Verify(forge(crypto.SHA256, secret, goodHeader, payload(attack)))
		require.ErrorIs(t, err, users.ErrUnauthenticated, "%v", attack)
	}
	for _, text := range []string{``, `null`, `[]`, `1`, `{`, `{}`, payload(nil) + payload(nil), strings.Repeat("[", 2000)} {
		_, err := s.Verify(forge(crypto.SHA256, secret, goodHeader, text))
		require.ErrorIs(t, err, users.ErrUnauthenticated, text)
	}
	for _, exp := range []string{"1e300", "-1e300", "0", "-1"} {
		_, err := s.Verify(forge(crypto.SHA256, secret, goodHeader, payload(map[string]any{"exp": json.RawMessage(exp)})))
		require.Error(t, err, exp)
	}
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	s, _ := signer(t, secret, "")
	token, other := issue(t, s), issue(t, s)
	part, otherPart := strings.Split(token, "."), strings.Split(other, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	respelt := map[string]string{
		"empty":                      "",
		"dots":                       "..",
		"signature of another token": join(part[0], part[1], otherPart[2]),
		"payload of another token":   join(part[0], otherPart[1], part[2]),
		"two parts":                  join(part[0], part[1]),
		"four parts":                 join(part[0], part[1], part[2], ""),
		"no header":                  join("", part[1], part[2]),
		"no payload":                 join(part[0], "", part[2]),
		"no signature":               join(part[0], part[1], ""),
		"padded signature":           token + "=",
		"padded header":              join(part[0]+"=", part[1], part[2]),
		"line break in signature":    join(part[0], part[1], part[2][:9]+"\n"+part[2][9:]),
		"carriage return at the end": token + "\r",
		"space before":               " " + token,
		"space after":                token + " ",
		"scheme":                     "Bearer " + token,
		"NUL":                        token + "\x00",
		"standard base64":            join(part[0], part[1], base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 32)))),
		"header with spaces":         join(encode(`{"alg": "HS256", "typ": "at+jwt"}`), part[1], part[2]),
		"longer signature":           token + "AAAA",
		"JSON serialisation":         fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, part[1], part[0], part[2]),
	}
	for cut := range token {
		respelt[fmt.Sprintf("cut after %d", cut)] = token[:cut]
	}
	// 32 octets leave 2 bits over in the last of 43 characters: lax decoders read 4 spellings as the same signature.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range token {
		for _, c := range alphabet {
			if token[i] != byte(c) && (i == len(token)-1 || c == 'A' || c == '_') {
				respelt[fmt.Sprintf("%c at %d", c, i)] = token[:i] + string(c) + token[i+1:]
			}
		}
	}
	for name, text := range respelt {
		_, err := s.Verify(text)
		require.ErrorIs(t, err, users.ErrUnauthenticated, name)
	}
}

func TestHugeTokensAreNotParsed(t *testing.T) { // not parallel: it counts allocations
	s, _ := signer(t, secret, "")
	pad := func(size int) string { return payload(map[string]any{"pad": strings.Repeat("a", size)}) }
	_, err := s.Verify(forge(crypto.SHA256, secret, goodHeader, pad(2000)))
	require.NoError(t, err)
	for _, size := range []int{maxToken, 900 << 10} {
		token := forge(crypto.SHA256, secret, goodHeader, pad(size))
		require.Zero(t, testing.AllocsPerRun(10, func() { _, err = s.Verify(token) }))
		require.ErrorIs(t, err, users.ErrUnauthenticated)
	}
}

func FuzzVerify(f *testing.F) {
	clock := &clock{noon}
	s, err := New(secret, older, clock.Now)
	require.NoError(f, err)
	f.Add(goodHeader, payload(nil))
	f.Add(`{"alg":"HS256","typ":"at+jwt","crit":["exp"]}`, `{"exp":1e300,"nbf":-1e300,"aud":[["x"]]}`)
	f.Fuzz(func(t *testing.T, header, payload string) {
		_, err := s.Verify(encode(header) + "." + encode(payload) + "." + encode(strings.Repeat("a", 32)))
		require.ErrorIs(t, err, users.ErrUnauthenticated)
		_, _ = s.Verify(forge(crypto.SHA256, secret, header, payload)) // must not panic
	})
}
