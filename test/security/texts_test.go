package security

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"github.com/stretchr/testify/require"
)

// hostileTexts puts hostile texts into every text field, then looks at what was stored.
func (in *input) hostileTexts() {
	victim := in.newAccount("PARTICIPANT")
	before := in.row(victim.email)
	texts := hostile()
	in.each(func(to target) {
		for field, value := range to.fields {
			if _, ok := value.([]string); ok {
				continue
			}
			for i, text := range texts {
				if long || i%9 == 0 {
					in.ask(to.route, to.token, to.body(object{field: text}))
				}
			}
		}
	})
	// Where they are accepted: names of new accounts, and of one's own.
	each(texts, func(text string) {
		in.ask("POST /api/users", in.root, encoded(object{"email": in.newEmail(), "firstName": text, "lastName": "x" + text + "x"}))
		in.ask("PUT /api/users/me", in.root, encoded(object{"firstName": text, "lastName": "B"}))
	})
	// An address that looks like somebody's is another one, or none: whoever reads its mail gets none of theirs.
	each(confusable(victim.email), func(email string) {
		made := in.ask("POST /api/users", in.root, encoded(object{"email": email, "firstName": "A", "lastName": "B"}))
		if made.Outcome != "201" && made.Outcome != "422 validation_failed" && made.Outcome != "409 email_taken" && made.Outcome != "400 malformed_request" {
			in.t.Errorf("%q: %s", email, made.Outcome)
		}
		in.ask("POST /api/auth/request-reset", "", encoded(object{"email": email}))
	})
	require.Equal(in.t, before, in.row(victim.email))
	in.wellFormed()
}

// row is everything that is stored of an account.
func (in *input) row(email string) string {
	in.t.Helper()
	var row string
	require.NoError(in.t, in.db.Pool().QueryRow(in.t.Context(), "SELECT u::text FROM users.users u WHERE email = $1", email).Scan(&row))
	return row
}

// wellFormed requires that whatever was stored has its canonical form.
func (in *input) wellFormed() {
	in.t.Helper()
	const name = `(%[1]s IS NFC NORMALIZED AND %[1]s = btrim(%[1]s) AND char_length(%[1]s) BETWEEN 1 AND 100
		AND %[1]s !~ '[\u0001-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]')`
	var found *string
	require.NoError(in.t, in.db.Pool().QueryRow(in.t.Context(), "SELECT min(u::text) FROM users.users u WHERE NOT ("+
		fmt.Sprintf(name, "first_name")+" AND "+fmt.Sprintf(name, "last_name")+` AND email ~ '^[!-~]+@[a-z0-9.-]+$' AND email = lower(email) AND (phone IS NULL OR phone ~ '^\+[1-9][0-9]{6,14}$'))`).Scan(&found))
	if found != nil {
		require.Fail(in.t, "not in its canonical form", "%+q", *found)
	}
	require.Equal(in.t, 1, in.count("SELECT count(*) FROM users.users WHERE role = 'ADMIN'"))
}

// injections puts SQL into every parameter of every route: paths, queries, headers and bodies.
func (in *input) injections() {
	victim := in.newAccount("PARTICIPANT")
	before, tables := in.row(victim.email), in.count("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'users'")
	operations := in.operations()
	var asks []func()
	for _, sql := range injected {
		escaped := url.QueryEscape(sql)
		for route, o := range operations {
			if strings.HasPrefix(route, "DELETE /api/users/me") || strings.HasSuffix(route, "/organizer") {
				continue // without a parameter they do what they are for
			}
			if strings.Contains(route, "{id}") {
				asks = append(asks, func() {
					in.ask(strings.Replace(route, "{id}", url.PathEscape(victim.id+sql), 1), in.root, "")
					in.ask(strings.Replace(route, "{id}", url.PathEscape(sql), 1), in.root, "")
				})
			}
			for _, p := range o.Parameters {
				target := strings.Replace(route, "{id}", victim.id, 1)
				switch p.In {
				case "query":
					asks = append(asks, func() { in.ask(target+"?"+p.Name+"="+escaped, in.root, "") })
				case "header":
					asks = append(asks, func() { in.ask(target, in.root, `{}`, p.Name, header(sql)) })
				}
			}
		}
		for _, to := range in.targets {
			for field, value := range to.fields {
				var text any = sql
				if _, list := value.([]string); list {
					text = []string{sql}
				}
				asks = append(asks, func() { in.ask(to.route, to.token, to.body(object{field: text})) })
			}
		}
		asks = append(asks, func() {
			in.ask("POST /api/auth/login", "", encoded(object{"email": sql, "password": sql}), "User-Agent", header(sql))
			for _, name := range []string{"X-Request-Id", "X-Forwarded-For", "Forwarded", "Referer", "Accept-Language", "Cookie"} {
				in.ask("POST /api/auth/refresh", "", encoded(object{"refreshToken": sql}), name, header(sql))
			}
			in.ask("PUT /api/users/me", in.root, encoded(object{"firstName": sql, "lastName": "B"}))
		})
	}
	rand.Shuffle(len(asks), func(i, j int) { asks[i], asks[j] = asks[j], asks[i] })
	asks = asks[:inLong(len(asks), len(asks)/10)]
	each(asks, func(ask func()) { ask() })
	require.Equal(in.t, before, in.row(victim.email))
	require.Equal(in.t, tables, in.count("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'users'"))
	in.wellFormed()
	in.t.Logf("%d injections", len(asks))
}

// header makes a text one that a header may hold.
func header(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
