package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// raw sends bytes over a connection of their own, each of drips a second after what was before, and returns the status of the
// answer, 0 when there is none.
func (p *instance) raw(text string, drips ...string) int {
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.API, "http://"))
	if err != nil {
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(program.Patience))
	// An answer may come, and the connection end, before everything was sent.
	go func() {
		_, err := io.WriteString(conn, text)
		for _, drip := range drips {
			if err == nil {
				time.Sleep(time.Second)
				_, err = io.WriteString(conn, drip)
			}
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	p := start(t, program.Standard(t, dbtest.Empty(t).DSN)...)
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
			status := p.raw(test.text)
			if status != test.status {
				t.Errorf("%s: %d instead of %d", name, status, test.status)
			}
		})
	}
	sent.Go(func() {
		if status := p.raw(post("Content-Length: 100\r\n", ""), strings.Split(`{"email":"`, "")...); status != 408 {
			t.Errorf("body that drips: %d", status)
		}
	})
	sent.Wait()
	p.client().do("GET", "/readyz", nil).is(200)
	p.client().logIn(program.AdminEmail, program.AdminPassword)
	for _, record := range p.Records() {
		require.NotEqual(t, "ERROR", record["level"], record)
	}
}

func TestManyLoginsAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, program.Standard(t, dbtest.Empty(t).DSN)...)
	var mu sync.Mutex
	answers := map[int]int{}
	p.atOnce(40, func(int) {
		a, err := p.client().try("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword})
		if err != nil {
			t.Errorf("log in: %v", err)
			return
		}
		acceptedOrBusy(t, a, http.StatusOK)
		mu.Lock()
		defer mu.Unlock()
		answers[a.Status]++
	})
	require.Positive(t, answers[http.StatusOK], answers)
	p.client().logIn(program.AdminEmail, program.AdminPassword)
}

// atOnce calls fn n times in parallel.
func (p *instance) atOnce(n int, fn func(i int)) {
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-begin
			fn(i)
		})
	}
	close(begin)
	group.Wait()
}

// acceptedOrBusy allows a status, or a 503 that says when to come back.
func acceptedOrBusy(t *testing.T, a answer, accepted int) {
	t.Helper()
	switch {
	case a.Status == accepted:
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
	default:
		t.Errorf("answered %d: %s", a.Status, a.Raw)
	}
}
