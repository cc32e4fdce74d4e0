package security

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf16"
)

// broken returns texts that must not be read: the document in other encodings, cut, doubled and continued, and every production of the
// grammar gone wrong, as a document, as a value, as a name and inside of what nobody asked for.
func broken(body string) []string {
	inside := strings.TrimSuffix(body, "}")
	if inside != "{" {
		inside += ","
	}
	values := []string{
		// numbers
		"01", "-", "+1", ".5", "1.", "-.5", "1e", "1e+", "1e1.5", "0x10", "1_000", "1 000", "--1", "- 1", "1e5e5", "NaN", "Infinity", "-Infinity", "1f", "１",
		// literals
		"True", "TRUE", "nul", "nulll", "None", "undefined", "fals", "truefalse", "t", "\\u0074rue", "nu ll",
		// strings
		`"`, `"\"`, `"\x41"`, `"\u12"`, `"\u12G4"`, `"\U0041"`, `"\a"`, `"\0"`, `'a'`, "`a`", `"a" "b"`, `"a`, `a"`, `“a”`, "\"\n\"", "\"\t\"", "\"\x00\"", "\"\x1f\"",
		`"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\udc00\ud800"`, `"\ud83d\"`, `"\u0000"`,
		"\"\xff\"", "\"\xc0\xaf\"", "\"\xe0\x80\xaf\"", "\"\xf0\x80\x80\xaf\"", "\"\xed\xa0\x80\"", "\"\xed\xa0\xbd\xed\xb8\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"\x80\"",
		// arrays and objects
		"[", "]", "[1", "[1,", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1;2]", "(1)", "[}", "{]", "[1}", "{", "}", `{"a"`, `{"a":`, `{"a":}`, `{"a":1,}`, `{,"a":1}`, `{"a" 1}`,
		`{"a":1 "b":2}`, `{"a"=1}`, `{"a"::1}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{null:1}`, `{[]:1}`, `{"a":1,"a":1}`, `{"a":1,"\u0061":2}`, `{"":1,"":2}`, `{"a":{"b":1,"b":1}}`, `{"\u0000":1}`, "{\"\xff\":1}",
		`{"\ud800":1}`,
		// comments and what is between
		"/* */ 1", "1 // one", "# one\n1", "1\v", "\f1", "\u00a01", "\u20281", "\u200b1", "\ufeff1", "1\x00", "\x001", ",", ":", ",1", "1,",
	}
	var texts []string
	for _, value := range values {
		texts = append(texts, inside+`"unknown":`+value+"}", inside+`"unknown":[[`+value+"]]}", inside+`"unknown":{"deeper":`+value+"}}")
		if !json.Valid([]byte(value)) {
			texts = append(texts, value)
		}
	}
	utf16LE, utf16BE := []byte{0xff, 0xfe}, []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(body)) {
		utf16LE = append(utf16LE, byte(unit), byte(unit>>8))
		utf16BE = append(utf16BE, byte(unit>>8), byte(unit))
	}
	texts = append(texts,
		" ", "\n", "\x00", "x", "<a/>", "a=1&b=2", "--boundary", "\x1f\x8b\x08", "%PDF", string(utf16LE), string(utf16BE), string(utf16LE[2:]), "\ufeff"+body,
		body+body, body+"\n"+body, body+",", body+"]", body+"}", body+"x", body+"\x00", body+"\xff", body+"//", "["+body, "{"+body, "\x00"+body, ")]}',\n"+body,
		"callback("+body+")", strings.ReplaceAll(body, `"`, `'`), strings.ReplaceAll(body, ":", "="), strings.ReplaceAll(body, "{", "["),
	)
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

// mutated returns what becomes of a document when one octet is left out, put in or changed, where that is no JSON any more.
func mutated(body string) []string {
	var texts []string
	add := func(text string) {
		if text != "" && !json.Valid([]byte(text)) {
			texts = append(texts, text)
		}
	}
	for i := range len(body) + 1 {
		for _, c := range []byte("{}[]:,\"\\0-+.eEtfnu'/ \n\x00\x1f\x7f\xff") {
			add(body[:i] + string([]byte{c}) + body[i:])
			if i < len(body) {
				add(body[:i] + string([]byte{c}) + body[i+1:])
			}
		}
		if i < len(body) {
			add(body[:i] + body[i+1:])
			add(body[:i])
		}
	}
	return texts
}

// privileges are fields that would raise somebody, in every spelling a careless decoder might take.
func privileges() map[string]any {
	fields := map[string]any{
		"role": "ADMIN", "isActive": true, "id": "00000000-0000-7000-8000-000000000000", "version": 99, "passwordHash": "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA",
		"isOrganizer": true, "emailVerified": true, "phoneVerified": true, "createdAt": "2020-01-01T00:00:00Z", "updatedAt": "2020-01-01T00:00:00Z",
		"lastLoginAt": nil, "deactivatedAt": nil, "sessions": []string{}, "userId": "00000000-0000-7000-8000-000000000000",
	}
	all := map[string]any{
		"__proto__": object{"role": "ADMIN"}, "constructor": object{"prototype": object{"role": "ADMIN"}}, "user": object{"role": "ADMIN"},
		"data": []object{{"role": "ADMIN"}}, "": "ADMIN", "$set": object{"role": "ADMIN"}, "State": object{"Role": "ADMIN"}, "$schema": "x",
	}
	for name, value := range fields {
		snake := ""
		for _, r := range name {
			if r >= 'A' && r <= 'Z' {
				snake += "_"
			}
			snake += strings.ToLower(string(r))
		}
		for _, spelling := range []string{
			name, snake, strings.ReplaceAll(snake, "_", "-"), strings.ToUpper(name), strings.ToLower(name), strings.ToUpper(name[:1]) + name[1:],
			strings.ToUpper(snake), " " + name, name + " ", name + "\t", "user." + name, "user[" + name + "]", name + "[]", name + "\u200b", "\uff52" + name[1:],
			strings.NewReplacer("o", "\u043e", "e", "\u0435", "i", "\u0131", "s", "\u017f").Replace(name) + "\u0301", "is_" + name, "_" + name, "$" + name, "@" + name,
		} {
			all[spelling] = value
		}
	}
	return all
}

// tampered returns what somebody might make of a cursor.
func tampered(cursor string) []string {
	texts := []string{
		"", " ", "x", "null", "0", "-1", "9999999999", "../..", cursor + cursor, cursor + "=", cursor + "A", " " + cursor, strings.ToUpper(cursor), cursor + "\n",
		"' OR 1=1 --", base64.RawURLEncoding.EncodeToString([]byte(`{"createdAt":"2026-01-01","id":"' OR 1=1"}`)), strings.Repeat("A", 5000),
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			changed := slices.Clone(raw)
			changed[i] ^= bit
			texts = append(texts, base64.RawURLEncoding.EncodeToString(changed))
		}
		texts = append(texts, base64.RawURLEncoding.EncodeToString(raw[:i]), base64.RawURLEncoding.EncodeToString(append(slices.Clone(raw[:i]), 0)))
	}
	if err != nil {
		panic(err) // cursors are URL-safe base64
	}
	return texts
}

// hostile returns texts that trip what handles text.
func hostile() []string {
	return []string{
		// direction, joiners and what is not seen
		"\u202eevil", "a\u2066b\u2069", "\u200eA", "\u200f", "\u061ca", "a\u200bb", "a\u200db", "\u2060", "\ufeffa", "\u00ad", "\u180e", "\u3164", "\u115f", "a\u034fb",
		// combining and growing
		"e\u0301", strings.Repeat("\u0301", 50), "Z" + strings.Repeat("\u0335\u0316", 60), "\ufdfa", strings.Repeat("\ufdfa", 60), "\u0390", strings.Repeat("\u0390", 40), "\u1e9b\u0323", "\u0f77",
		"\u0344", strings.Repeat("e\u0301", 100), strings.Repeat("\U0001f468\u200d\U0001f469\u200d\U0001f467", 20), "\u1100\u1161\u11a8",
		// width, case and look
		"\uff21\uff44\uff4d\uff49\uff4e", "\U0001d400\U0001d41d", "\u0131", "\u0130", "\u212a", "\u017f", "\u00df", "\u1e9e", "\ufb01", "\u0149", "\u01c5", "\u03c2", "\u0430dmin", "\u04cf", "\u0261",
		// not characters, private, unassigned, the ends of planes
		"\ufffd", "\ufffe", "\uffff", "\U0001ffff", "\U0010ffff", "\ue000", "\U000e0041", "\U000e01ef", "\u0378", "\ufff9a\ufffab\ufffb",
		// spaces and controls
		"\u0085", "\u00a0", "\u2028", "\u2029", "\u3000", "\u1680", "a\u0007b", "a\x7fb", "a\u009fb", "a\tb", "a\r\nb", "\x1b[31m", "\u2400", " a ", "\u2003a\u2003",
		// what other languages make of it
		"<script>alert(1)</script>", "${7*7}", "{{7*7}}", "%s%n%x", "=1+1", "@SUM(1)", "a\r\nBcc: x@example.com", "../../etc/passwd", "\\", "\"", "'", "`id`", "$(id)", "a,b;c", "%00", "\\u0000",
		"null", "undefined", "true", "-1", "1e309", "NaN", strings.Repeat("a", 100), strings.Repeat("a", 101), strings.Repeat("\U0001f600", 100), strings.Repeat("x", 100_000), "",
	}
}

// confusable returns addresses that look, fold or normalise like another one.
func confusable(email string) []string {
	local, domain, _ := strings.Cut(email, "@")
	texts := []string{
		strings.ToUpper(email), " " + email, email + "\u200b", "\ufeff" + email, email + "\u0301", "\"" + local + "\"@" + domain, "(x)" + email, email + "(x)", "<" + email + ">", "x <" + email + ">",
		email + ",x@attacker.example", "x@attacker.example," + email, email + "\r\nBcc: x@attacker.example", email + "\x00@attacker.example", local + "@" + domain + "@attacker.example",
		local + "%" + domain + "@attacker.example", "@attacker.example:" + email, local + "@[127.0.0.1]", local + "@" + domain + ".", local + "@." + domain, local + "@" + strings.Replace(domain, ".", "..", 1),
		local + "\u200b@" + domain, local + "\u00ad@" + domain, local + "@" + strings.Replace(domain, ".", "\u3002", 1), local + "@" + strings.Replace(domain, ".", "\uff0e", 1), local + "\uff20" + domain,
		local + "@xn--" + domain, local + "@xn--a.com", local + "@" + strings.Replace(domain, "e", "\u0435", 1), local + "@" + strings.Replace(domain, "x", "\u0445", 1),
		local + "@" + strings.Replace(domain, "m", "\u217f", 1), local + "@" + strings.Replace(domain, "l", "\u2113", 1), local + "@ex\u00e4mple.com", local + "@exa\u0308mple.com",
	}
	for from, to := range map[string]string{"p": "\u0440", "P": "\uff30", "i": "\u0131", "1": "\u00b9", "2": "\u2461", "s": "\u017f", "k": "\u212a", "e": "\u0435"} {
		texts = append(texts, strings.Replace(local, from, to, 1)+"@"+domain, local+"@"+strings.Replace(domain, from, to, 1))
	}
	return texts
}

// injected are fragments of SQL that would show: by what they change, by an error, or by how long they take.
var injected = []string{
	"'", "''", `"`, "`", `\`, `\'`, "\\\\'", "';", "--", "/*", "*/", "#", "$$", "$1", "?", ":id", "%", "_", "%27", "%2527", "\u02bc", "\u2019", "\uff07",
	"' OR '1'='1", "' OR 1=1 --", "1 OR 1=1", "') OR ('1'='1", "\" OR \"\"=\"", "' UNION SELECT password_hash FROM users.users --", "' AND 1=CAST((SELECT version()) AS int) --",
	"'; UPDATE users.users SET role='ADMIN'; --", "'; DROP TABLE users.users CASCADE; --", "'); DELETE FROM users.users; --", "1; TRUNCATE users.sessions CASCADE",
	"' || pg_sleep(5) || '", "'; SELECT pg_sleep(5); --", "1 AND (SELECT pg_sleep(5)) IS NULL", "(SELECT pg_sleep(5))", "-1) OR pg_sleep(5) IS NOT NULL --", "createdAt;SELECT pg_sleep(5)",
	"-createdAt, (SELECT 1/0)", "id DESC NULLS LAST", "email) --", "ADMIN' --", "true OR true", "2026-01-01' OR '1'='1", "\x00' OR 1=1", "-5--x", "E'\\x27'", "U&'\\0027'", "{1,2}", "ARRAY[1]",
}
