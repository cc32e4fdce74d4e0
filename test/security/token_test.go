package security

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512" // to sign with what must be refused
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const (
	foreignKey = "a secret of somebody else, 32 octets or more too"
	goodHeader = `{"alg":"HS256","typ":"at+jwt"}`
)

// signature is a way to sign.
type signature func(text string) []byte

func unsigned(string) []byte { return nil }

func hmacOf(hash crypto.Hash, key string) signature {
	return func(text string) []byte {
		mac := hmac.New(hash.New, []byte(key))
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
}

// signedBy signs with a private key, as RS256, PS256, ES256 or EdDSA do; ES256 in the form of other standards, too.
func signedBy(key crypto.Signer, options crypto.SignerOpts) signature {
	return func(text string) []byte {
		digest := []byte(text)
		if hash := options.HashFunc(); hash != 0 {
			h := hash.New()
			h.Write(digest)
			digest = h.Sum(nil)
		}
		signed, err := key.Sign(rand.Reader, digest, options)
		if err != nil {
			panic(err) // the keys are made here
		}
		return signed
	}
}

func base64URL(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func forge(sign signature, header, payload string) string {
	text := base64URL(header) + "." + base64URL(payload)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(text))
}

// forger knows a genuine token, and makes others of it.
type forger struct {
	genuine string
	claims  map[string]any
	attacks map[string]string // values of the Authorization header
}

func newForger(t *testing.T, genuine string) *forger {
	t.Helper()
	f := &forger{genuine: genuine, attacks: map[string]string{}}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(genuine, ".")[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &f.claims))
	return f
}

// payload returns the claims with changes; nil removes one.
func (f *forger) payload(changes object) string {
	claims := maps.Clone(f.claims)
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return encoded(claims)
}

func (f *forger) add(name, token string) { f.attacks[name] = "Bearer " + token }

// headers tries what a header may say, with and without a signature that fits: that of the secret shows that nothing else is refused.
func (f *forger) headers(t *testing.T) {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	require.NoError(t, err)
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	signatures := map[string]signature{
		"none": unsigned, "secret": hmacOf(crypto.SHA256, secret), "secret as HS384": hmacOf(crypto.SHA384, secret),
		"secret as HS512": hmacOf(crypto.SHA512, secret), "foreign": hmacOf(crypto.SHA256, foreignKey), "empty": hmacOf(crypto.SHA256, ""),
		"public key": hmacOf(crypto.SHA256, public), "RSA": signedBy(rsaKey, crypto.SHA256),
		"PSS": signedBy(rsaKey, &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}), "EC": signedBy(ecKey, crypto.SHA256),
		"Ed25519": signedBy(edKey, crypto.Hash(0)),
	}
	headers := []string{
		`{"alg":"HS384","typ":"at+jwt"}`, `{"alg":"HS512","typ":"at+jwt"}`, `{"alg":"RS256","typ":"at+jwt"}`, `{"alg":"PS256","typ":"at+jwt"}`,
		`{"alg":"ES256","typ":"at+jwt"}`, `{"alg":"EdDSA","typ":"at+jwt"}`, `{"alg":"","typ":"at+jwt"}`, `{"alg":null,"typ":"at+jwt"}`,
		`{"alg":["HS256"],"typ":"at+jwt"}`, `{"alg":{"HS256":1},"typ":"at+jwt"}`, `{"alg":256,"typ":"at+jwt"}`, `{"alg":true,"typ":"at+jwt"}`,
		`{"alg":"hs256","typ":"at+jwt"}`, `{"alg":"HS256\u0000","typ":"at+jwt"}`, `{"ALG":"HS256","typ":"at+jwt"}`, `{"typ":"at+jwt"}`,
		`{"alg":"HS256"}`, `{"alg":"HS256","typ":"JWT"}`, `{"alg":"HS256","typ":"rt+jwt"}`, `{"alg":"HS256","typ":"AT+JWT"}`,
		`{"alg":"HS256","typ":null}`, `{"alg":"HS256","typ":"at+jwt","cty":"JWT"}`,
		`{"alg":"none","alg":"HS256","typ":"at+jwt"}`, `{"alg":"HS256","alg":"none","typ":"at+jwt"}`, `{"alg":"HS256","typ":"JWT","typ":"at+jwt"}`,
		`{"alg":"HS256","typ":"at+jwt","alg":"HS256"}`, `{"typ":"at+jwt","alg":"HS256"}x`, goodHeader + goodHeader, "\ufeff" + goodHeader,
		`null`, `[]`, `"HS256"`, `1`, ``, ` `, `{`, "\xff", "\x00", strings.Repeat("[", 1000),
	}
	for spelling := range 16 {
		alg := []byte("none")
		for i := range alg {
			if spelling&(1<<i) != 0 {
				alg[i] -= 'a' - 'A'
			}
		}
		headers = append(headers, fmt.Sprintf(`{"alg":%q,"typ":"at+jwt"}`, alg))
	}
	jwk := encoded(object{"kty": "oct", "k": base64URL(foreignKey), "kid": "1"})
	for _, trick := range []string{
		`"kid":"1"`, `"kid":""`, `"kid":"/dev/null"`, `"kid":"../../../../dev/null"`, `"kid":"' UNION SELECT 'key' --"`, `"kid":"| id"`,
		`"jku":"https://attacker.example/keys"`, `"jku":"http://127.0.0.1:9090/metrics"`, `"x5u":"https://attacker.example/chain"`,
		`"x5c":["` + base64.StdEncoding.EncodeToString(der) + `"]`, `"x5t":"AAAA"`, `"jwk":` + jwk, `"jwk":{"kty":"oct","k":""}`,
		`"crit":["exp"]`, `"crit":[]`, `"crit":["b64"],"b64":false`, `"b64":false`, `"zip":"DEF"`, `"enc":"A256GCM"`, `"p2c":2147483647`,
	} {
		headers = append(headers, `{"alg":"HS256","typ":"at+jwt",`+trick+`}`, `{"alg":"none","typ":"at+jwt",`+trick+`}`)
	}
	for _, header := range headers {
		for name, sign := range signatures {
			f.add("header "+header+" signed: "+name, forge(sign, header, f.payload(nil)))
		}
	}
	for name, sign := range signatures {
		if name != "secret" {
			f.add("good header signed: "+name, forge(sign, goodHeader, f.payload(nil)))
			f.add("other subject signed: "+name, forge(sign, goodHeader, f.payload(object{"sub": uuid.NewString()})))
		}
	}
	// With b64=false the payload is not encoded (RFC 7797).
	for _, key := range []string{secret, foreignKey} {
		text := base64URL(`{"alg":"HS256","b64":false,"crit":["b64"]}`) + "." + f.payload(nil)
		f.add("payload in clear "+key, text+"."+base64.RawURLEncoding.EncodeToString(hmacOf(crypto.SHA256, key)(text)))
	}
}

// payloads tries claims that are wrong, under the right signature.
func (f *forger) payloads() {
	now := time.Now().Unix()
	changes := []object{
		{"exp": now - 1}, {"exp": now - 86400}, {"exp": 0}, {"exp": -1}, {"exp": "never"}, {"exp": true}, {"exp": object{}},
		{"exp": json.RawMessage("-1e300")}, {"nbf": now + 60}, {"nbf": now + 86400}, {"nbf": "now"}, {"iat": now + 60}, {"iat": "now"}, {"iat": []int{1}},
		{"iss": "someone"}, {"iss": "Tickr"}, {"iss": []string{"tickr"}}, {"iss": 1}, {"aud": "tickr"}, {"aud": "other"}, {"aud": []string{}},
		{"aud": []string{"tickr-api", "other"}}, {"aud": 1}, {"aud": object{"tickr-api": true}},
		{"sub": uuid.NewString()}, {"sub": uuid.Nil.String()}, {"sub": "admin"}, {"sub": ""}, {"sub": 1}, {"sub": "' OR '1'='1"},
		{"sub": strings.ToUpper(f.claims["sub"].(string))}, {"sub": "{" + f.claims["sub"].(string) + "}"}, {"sub": f.claims["sid"]},
		{"sid": uuid.NewString()}, {"sid": uuid.Nil.String()}, {"sid": "x"}, {"sid": []any{f.claims["sid"]}}, {"sid": f.claims["sub"]},
		{"jti": "x"}, {"jti": 7},
	}
	for name := range f.claims {
		changes = append(changes, object{name: nil}, object{name: json.RawMessage("null")}, object{name: nil, strings.ToUpper(name): f.claims[name]})
	}
	sign := hmacOf(crypto.SHA256, secret)
	for _, change := range changes {
		f.add("claims "+encoded(change), forge(sign, goodHeader, f.payload(change)))
	}
	for name, value := range f.claims {
		other := object{"sub": uuid.NewString(), "sid": uuid.NewString()}[name]
		twice := fmt.Sprintf(`{%q:%s,%s`, name, encoded(other), f.payload(nil)[1:])
		f.add("twice, good one last: "+name, forge(sign, goodHeader, twice))
		f.add("twice: "+name, forge(sign, goodHeader, fmt.Sprintf(`{%q:%s,%s`, name, encoded(value), f.payload(nil)[1:])))
	}
	for _, text := range []string{``, `null`, `[]`, `1`, `{`, `{}`, f.payload(nil) + "x", f.payload(nil) + f.payload(nil), strings.Repeat("[", 2000), "\xff"} {
		f.add("payload "+text, forge(sign, goodHeader, text))
	}
}

// spellings tries what almost is the genuine token, or has a part of another one.
func (f *forger) spellings(others ...string) {
	part := strings.Split(f.genuine, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	for i, other := range others {
		p := strings.Split(other, ".")
		if len(p) != 3 {
			f.add(fmt.Sprint("not an access token ", i), other)
			continue
		}
		f.add(fmt.Sprint("signature of another ", i), join(part[0], part[1], p[2]))
		f.add(fmt.Sprint("payload of another ", i), join(part[0], p[1], part[2]))
	}
	for name, token := range map[string]string{
		"empty": "", "dots": "..", "two parts": join(part[0], part[1]), "four parts": join(part...) + ".", "five parts": join(part[0], "", part[1], "", part[2]),
		"JWE":           join(base64URL(`{"alg":"dir","enc":"A256GCM"}`), "", part[0], part[1], part[2]),
		"no header":     join("", part[1], part[2]),
		"no payload":    join(part[0], "", part[2]),
		"no signature":  join(part[0], part[1], ""),
		"nested":        forge(hmacOf(crypto.SHA256, secret), `{"alg":"HS256","typ":"at+jwt","cty":"JWT"}`, f.genuine),
		"JSON":          fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, part[1], part[0], part[2]),
		"general JSON":  fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, part[1], part[0], part[2]),
		"standard":      join(part[0], part[1], strings.NewReplacer("-", "+", "_", "/").Replace(part[2])+"=="),
		"double dot":    strings.Replace(f.genuine, ".", "..", 1),
		"slash":         f.genuine + "/",
		"NUL":           f.genuine + "\x00",
		"line break":    join(part[0], part[1], part[2][:9]+"\n "+part[2][9:]),
		"space inside":  join(part[0], part[1]+" ", part[2]),
		"tab inside":    join(part[0], part[1], part[2][:9]+"\t"+part[2][9:]),
		"quoted":        `"` + f.genuine + `"`,
		"percent":       strings.ReplaceAll(f.genuine, ".", "%2E"),
		"full-width":    strings.ReplaceAll(f.genuine, ".", "．"),
		"twice":         f.genuine + "," + f.genuine,
		"spaced header": join(base64URL(`{"alg": "HS256", "typ": "at+jwt"}`), part[1], part[2]),
		"longer":        f.genuine + "AAAA",
	} {
		f.add("spelling: "+name, token)
	}
	for i := range part {
		for _, padding := range []string{"=", "==", "A", "%3D"} {
			padded := slices.Clone(part)
			padded[i] += padding
			f.add(fmt.Sprint("padded with ", padding, " in ", i), join(padded...))
		}
	}
	for cut := 0; cut < len(f.genuine); cut += inLong(1, 7) {
		f.add(fmt.Sprint("cut after ", cut), f.genuine[:cut])
		f.add(fmt.Sprint("cut before ", cut+1), f.genuine[cut+1:])
	}
	// 32 octets leave 2 bits over in the last of 43 characters: lax decoders read 4 spellings as the same signature.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range f.genuine {
		for _, c := range alphabet {
			if f.genuine[i] != byte(c) && (i == len(f.genuine)-1 || long && c == 'A' || i%9 == 0 && c == '_') {
				f.add(fmt.Sprintf("%c at %d", c, i), f.genuine[:i]+string(c)+f.genuine[i+1:])
			}
		}
	}
}

// schemes tries other ways to hand over the genuine token.
func (f *forger) schemes() {
	for _, value := range []string{
		f.genuine, "Basic " + f.genuine, "Token " + f.genuine, "JWT " + f.genuine, "Bearer", "Bearer ", "Bearer\t" + f.genuine,
		"Bearer  " + f.genuine, "Bearer: " + f.genuine, "Bearer Bearer " + f.genuine, "Bearer=" + f.genuine, "Beａrer " + f.genuine,
		"Bearer token=" + f.genuine, "DPoP " + f.genuine, "Basic " + base64.StdEncoding.EncodeToString([]byte(f.genuine+":")),
		"Negotiate x, Bearer " + f.genuine,
	} {
		f.attacks["scheme "+value] = value
	}
}

// Row 9: no token but a genuine one is accepted, on a route that reads and on one that writes, and none makes the program fail.
func (s *Defence) TestForgedAccessTokens() {
	t, r := s.T(), s.rig
	owner, other := r.newAccount("PARTICIPANT"), r.newAccount("PARTICIPANT")
	own, second, foreign, ended := r.logIn(0, owner.email), r.logIn(0, owner.email), r.logIn(0, other.email), r.logIn(0, other.email)
	require.Equal(t, "204", r.send(0, "POST /api/auth/logout", "", encoded(object{"refreshToken": ended.RefreshToken})).Outcome)

	f := newForger(t, own.AccessToken)
	same := forge(hmacOf(crypto.SHA256, secret), goodHeader, f.payload(nil))
	require.Equal(t, "200", r.send(0, "GET /api/users/me", same, "").Outcome, "the attacks start from a token that would be accepted")
	for _, scheme := range []string{"bearer ", "BEARER "} {
		require.Equal(t, "200", r.send(0, "GET /api/users/me", "", "", "Authorization", scheme+same).Outcome, "schemes have no case")
	}
	f.headers(t)
	f.payloads()
	f.spellings(second.AccessToken, foreign.AccessToken, own.RefreshToken, owner.id)
	f.schemes()
	f.add("ended", ended.AccessToken)
	f.add("other's session", forge(hmacOf(crypto.SHA256, secret), goodHeader, newForger(t, foreign.AccessToken).payload(object{"sub": owner.id})))
	f.add("of another installation", forge(hmacOf(crypto.SHA256, foreignKey), goodHeader, f.payload(nil)))

	outcomes := map[int]int{}
	for name, value := range f.attacks {
		for _, route := range []string{"GET /api/users/me", "PUT /api/users/me"} {
			status := r.attack(route, value)
			outcomes[status]++
			if status != http.StatusUnauthorized && status != http.StatusBadRequest {
				t.Errorf("%s: %s answers %d", name, route, status)
			}
		}
	}
	t.Logf("%d forged tokens, on two routes each: %v", len(f.attacks), outcomes)

	// A token that came by another way, or with another one, is no token.
	for name, headers := range map[string][]string{
		"cookie":               {"Cookie", "access_token=" + same + "; Authorization=Bearer " + same},
		"other header":         {"X-Authorization", "Bearer " + same, "Proxy-Authorization", "Bearer " + same, "X-Access-Token", same},
		"two good ones":        {"Authorization", "Bearer " + same, "Authorization", "Bearer " + same},
		"a good and a bad one": {"Authorization", "Bearer " + same, "Authorization", "Bearer x"},
		"a bad and a good one": {"Authorization", "Bearer x", "Authorization", "Bearer " + same},
		"of two people":        {"Authorization", "Bearer " + same, "Authorization", "Bearer " + foreign.AccessToken},
		"basic and bearer":     {"Authorization", "Basic eDp5", "Authorization", "Bearer " + same},
	} {
		require.Equal(t, "401 unauthenticated", r.send(0, "GET /api/users/me", "", "", headers...).Outcome, name)
	}
	require.Equal(t, "401 unauthenticated", r.send(0, "GET /api/users/me?access_token="+same, "", "").Outcome)
	for _, huge := range []string{strings.Repeat("a", 900<<10), same + strings.Repeat("a", 900<<10), strings.Repeat(same+".", 900<<10/len(same))} {
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, r.attack("GET /api/users/me", "Bearer "+huge))
	}

	require.Zero(t, r.count("SELECT count(*) FROM users.users WHERE first_name = 'Intruder'"))
	require.Equal(t, "200", r.send(0, "GET /api/users/me", own.AccessToken, "").Outcome)
}

// attack sends a request with an Authorization header, which net/http may refuse to send, and returns the status.
func (r *rig) attack(route, authorization string) int {
	body := ""
	if strings.HasPrefix(route, "PUT") {
		body = `{"firstName":"Intruder","lastName":"Intruder"}`
	}
	if strings.ContainsFunc(authorization, func(c rune) bool { return c < ' ' || c == 0x7f }) || len(authorization) > 8<<10 {
		return r.raw(0, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			route, authorization, len(body), body))
	}
	return r.send(0, route, "", body, "Authorization", authorization).Status
}
