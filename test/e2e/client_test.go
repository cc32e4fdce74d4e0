package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

// client talks to the API as somebody.
type client struct {
	t     *testing.T
	api   string
	token string
}

// answer is a response, its body decoded when it is JSON.
type answer struct {
	t      *testing.T
	Status int
	Header http.Header
	Raw    string
	JSON   map[string]any
}

func (p *instance) client() client { return client{t: p.t, api: p.API} }

// as returns the client with an access token.
func (c client) as(token string) client {
	c.token = token
	return c
}

// do sends a request. body is sent as it is when it is a string, and as JSON otherwise; nil is none. headers come in pairs.
func (c client) do(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body, headers...)
	require.NoError(c.t, err)
	return a
}

func (c client) try(method, path string, body any, headers ...string) (answer, error) {
	var reader io.Reader = http.NoBody
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.api+path, reader)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := noRedirects.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{t: c.t, Status: response.StatusCode, Header: response.Header, Raw: string(raw)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &a.JSON); err != nil {
			return answer{}, err
		}
	}
	return a, nil
}

var noRedirects = &http.Client{
	Timeout:       program.Patience,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// is requires a status, and a code when the answer is a problem.
func (a answer) is(status int, code ...string) answer {
	a.t.Helper()
	require.Equal(a.t, status, a.Status, a.Raw)
	if status >= http.StatusBadRequest {
		require.Equal(a.t, "application/problem+json", a.Header.Get("Content-Type"), a.Raw)
		for _, member := range []string{"type", "title", "status", "detail", "instance", "code", "requestId"} {
			require.Contains(a.t, a.JSON, member, a.Raw)
		}
		require.Equal(a.t, a.Header.Get("X-Request-Id"), a.JSON["requestId"])
	}
	if len(code) > 0 {
		require.Equal(a.t, code[0], a.JSON["code"], a.Raw)
	}
	return a
}

// text returns a string member, found by its path.
func (a answer) text(path ...string) string {
	a.t.Helper()
	var at any = a.JSON
	for _, name := range path {
		members, ok := at.(map[string]any)
		require.True(a.t, ok, "no member %v in %s", path, a.Raw)
		at = members[name]
	}
	found, ok := at.(string)
	require.True(a.t, ok, "no text at %v in %s", path, a.Raw)
	return found
}

// fields returns the names of the wrong fields of a problem.
func (a answer) fields() []string {
	a.t.Helper()
	var names []string
	list, _ := a.JSON["errors"].([]any)
	for _, item := range list {
		names = append(names, item.(map[string]any)["field"].(string))
	}
	return names
}

// items returns the objects of a data array.
func (a answer) items() []map[string]any {
	a.t.Helper()
	list, ok := a.JSON["data"].([]any)
	require.True(a.t, ok, a.Raw)
	found := make([]map[string]any, len(list))
	for i, item := range list {
		found[i] = item.(map[string]any)
	}
	return found
}

// logIn returns an access token and a refresh token.
func (c client) logIn(email, password string) (access, refresh string) {
	c.t.Helper()
	a := c.do("POST", "/api/auth/login", object{"email": email, "password": password}).is(http.StatusOK)
	return a.text("accessToken"), a.text("refreshToken")
}

// account makes a verified account through registration and mail.
func (p *instance) account(set []string, email, password string, more ...string) {
	p.t.Helper()
	body := object{"email": email, "password": password, "firstName": "Amira", "lastName": "Ben Salah"}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	p.client().do("POST", "/api/auth/register", body).is(http.StatusAccepted)
	token := p.mailedToken(set, email)
	p.client().do("POST", "/api/auth/verify-email", object{"token": token}).is(http.StatusOK)
}

type object map[string]any

// mails returns the captured messages to an address, oldest first.
func mails(t *testing.T, set []string, to string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(value(set, "DATA_DIR"), "mail", "*.eml"))
	require.NoError(t, err)
	var found []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		if regexp.MustCompile(`(?m)^To: .*` + regexp.QuoteMeta(to)).Match(raw) {
			found = append(found, string(raw))
		}
	}
	return found
}

// mailedToken waits for a mail with a verification link and returns the token of the newest.
func (p *instance) mailedToken(set []string, to string) string {
	p.t.Helper()
	tokens := p.mailedTokens(set, to, "/verify-email", 1)
	return tokens[len(tokens)-1]
}

// linkTo matches a link to a path and, in its group, its token.
func linkTo(path string) *regexp.Regexp {
	return regexp.MustCompile(regexp.QuoteMeta(path) + `\?token=([A-Za-z0-9_-]{43,})`)
}

// mailedTokens waits for so many mails with a link to that path and returns their tokens, oldest first.
func (p *instance) mailedTokens(set []string, to, path string, atLeast int) []string {
	p.t.Helper()
	link := linkTo(path)
	var tokens []string
	p.Await("mail with a token", func() bool {
		tokens = nil
		for _, mail := range mails(p.t, set, to) {
			if match := link.FindStringSubmatch(mail); match != nil {
				tokens = append(tokens, match[1])
			}
		}
		return len(tokens) >= atLeast
	})
	return tokens
}

// mailed waits for a mail of that subject.
func (p *instance) mailed(set []string, to, subject string) {
	p.t.Helper()
	p.Await("mail: "+subject, func() bool {
		return slices.ContainsFunc(mails(p.t, set, to), func(mail string) bool { return strings.Contains(mail, "Subject: "+subject) })
	})
}

// textedCode waits for so many text messages to a number and returns the code in the newest.
func (p *instance) textedCode(set []string, to string, atLeast int) string {
	p.t.Helper()
	var codes []string
	p.Await("text message", func() bool {
		files, err := filepath.Glob(filepath.Join(value(set, "DATA_DIR"), "sms", "*.txt"))
		require.NoError(p.t, err)
		codes = nil
		for _, file := range files {
			raw, err := os.ReadFile(file)
			require.NoError(p.t, err)
			if match := regexp.MustCompile(`^To: ` + regexp.QuoteMeta(to) + `\n\n(\d{6})`).FindSubmatch(raw); match != nil {
				codes = append(codes, string(match[1]))
			}
		}
		return len(codes) >= atLeast
	})
	return codes[len(codes)-1]
}

// eventually waits for a condition without a program.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	require.Eventually(t, met, program.Patience, 20*time.Millisecond, what)
}

// encoded is a value as JSON.
func encoded(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// isStatus requires a status of an answer that is no problem document.
func (a answer) isStatus(status int) {
	a.t.Helper()
	require.Equal(a.t, status, a.Status, a.Raw)
}
