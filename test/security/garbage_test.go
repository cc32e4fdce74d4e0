package security

import (
	"fmt"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// What is no request of ours gets a refusal, and the others go on.
func (s *Defence) TestGarbage() {
	t, r := s.T(), s.rig
	post := func(headers, body string) string {
		return "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + headers + "\r\n" + body
	}
	sized := func(body string) string { return post(fmt.Sprintf("Content-Length: %d\r\n", len(body)), body) }
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 64<<10, strings.Repeat(" ", 64<<10))
	var sent sync.WaitGroup
	for name, test := range map[string]struct {
		text   string
		status int
	}{
		"not HTTP":                     {"hello\r\n\r\n", 400},
		"headers that never end":       {"GET /livez HTTP/1.1\r\nHost: x\r\n", 0},
		"no host":                      {"GET /livez HTTP/1.1\r\n\r\n", 400},
		"more promised than sent":      {post("Content-Length: 100\r\n", "{}"), 408},
		"less promised than sent":      {post("Content-Length: 2\r\n", `{}{"a":1}`), 422},
		"two lengths":                  {post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), 400},
		"negative length":              {post("Content-Length: -1\r\n", "{}"), 400},
		"length over 1 MiB":            {post("Content-Length: 1048577\r\n", "{}"), 413},
		"chunks over 1 MiB":            {post("Transfer-Encoding: chunked\r\n", strings.Repeat(chunk, 17)+"0\r\n\r\n"), 413},
		"chunks without sense":         {post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), 400},
		"headers over 32 KiB":          {post("X-Long: "+strings.Repeat("x", 40<<10)+"\r\nContent-Length: 2\r\n", "{}"), 431},
		"NUL in a path":                {"GET /api/users/%00 HTTP/1.1\r\nHost: x\r\n\r\n", 401},
		"NUL in a query":               {"GET /api/users?role=%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"broken escape":                {"GET /api/users?role=%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
		"NUL in JSON":                  {sized(`{"email":"a\u0000b","password":"x"}`), 400},
		"half a surrogate pair":        {sized(`{"email":"\ud800","password":"x"}`), 400},
		"invalid UTF-8":                {sized("{\"email\":\"\xff\",\"password\":\"x\"}"), 400},
		"nothing":                      {sized(""), 400},
		"depth":                        {sized(strings.Repeat("[", 100_000)), 400},
		"other type":                   {sized(`[]`), 422},
		"null":                         {sized(`null`), 422},
		"duplicate name":               {sized(`{"email":"a","email":"b","password":"x"}`), 400},
		"trailing data":                {sized(`{"email":"a","password":"x"} {}`), 400},
		"number that nothing can hold": {sized(`{"email":1e999999,"password":"x"}`), 400},
		"name in another case":         {sized(`{"EMAIL":"a","password":"x"}`), 422},
		"long but allowed":             {sized(`{"email":"` + strings.Repeat("a", 1<<19) + `","password":"x"}`), 401},
	} {
		sent.Go(func() {
			status := r.raw(0, test.text)
			if status != test.status {
				t.Errorf("%s: %d instead of %d", name, status, test.status)
			}
		})
	}
	sent.Go(func() {
		if status := r.raw(0, post("Content-Length: 100\r\n", ""), strings.Split(`{"email":"`, "")...); status != 408 {
			t.Errorf("body that drips: %d", status)
		}
	})
	sent.Wait()
	require.Equal(t, "200", r.send(0, "GET /readyz", "", "").Outcome)
	r.logIn(0, program.AdminEmail)
}
