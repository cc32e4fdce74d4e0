package httpserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/httpserver"
)

func TestUnreadableBodies(t *testing.T) {
	t.Parallel()
	s := start(t)
	deep := strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000)
	for name, body := range map[string]string{
		"nothing":               "",
		"space":                 " \n",
		"open":                  `{`,
		"cut":                   `{"email":"s3cret`,
		"comma":                 `{"email":"s3cret",}`,
		"no quotes":             `{email:"s3cret"}`,
		"single quotes":         `{'email':'s3cret'}`,
		"comment":               `{"email":"s3cret"} // c`,
		"two documents":         `{"email":"s3cret"}{}`,
		"trailing letters":      `{"email":"s3cret"} x`,
		"duplicate":             `{"email":"s3cret","email":"b"}`,
		"escaped duplicate":     `{"email":"s3cret","\u0065mail":"b"}`,
		"nested duplicate":      `{"email":"a","inner":{"name":"x","name":"y"}}`,
		"byte order mark":       "\ufeff" + `{"email":"s3cret"}`,
		"UTF-16":                "\xff\xfe{\x00}\x00",
		"raw NUL":               "{\"email\":\"s3cret\x00\"}",
		"escaped NUL":           `{"email":"s3cret\u0000"}`,
		"NUL in a name":         `{"email":"a","\u0000":1}`,
		"NUL in a list":         `{"email":"a","tags":["a","\u0000"]}`,
		"raw control":           "{\"email\":\"a\tb\"}",
		"invalid UTF-8":         "{\"email\":\"s3cret\xff\"}",
		"overlong UTF-8":        "{\"email\":\"\xc0\xaf\"}",
		"UTF-8 surrogate":       "{\"email\":\"\xed\xa0\x80\"}",
		"lone surrogate":        `{"email":"s3cret\ud800"}`,
		"reversed surrogates":   `{"email":"\udc00\ud800"}`,
		"bad escape":            `{"email":"\x41"}`,
		"deep":                  deep,
		"deep and unclosed":     strings.Repeat("[", 1_000_000),
		"deep objects":          strings.Repeat(`{"a":`, 200_000),
		"deep in unknown field": `{"email":"a","x":` + deep + `}`,
		"number too large":      `{"email":"a","age":1e999}`,
		"infinite":              `{"email":"a","age":Infinity}`,
		"hexadecimal":           `{"email":"a","age":0x1}`,
		"leading zero":          `{"email":"a","age":01}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := s.post(t, "/api/people", body).problem(t, http.StatusBadRequest, "malformed_request")
			require.Empty(t, p.Errors)
			require.NotEmpty(t, p.Detail)
		})
	}
}

func TestWrongFields(t *testing.T) {
	t.Parallel()
	s := start(t)
	field := func(name, code string) httpserver.FieldError { return httpserver.FieldError{Field: name, Code: code} }
	for name, test := range map[string]struct {
		body string
		want []httpserver.FieldError
	}{
		"a list":           {`[]`, []httpserver.FieldError{field("", "invalid_type")}},
		"null":             {`null`, []httpserver.FieldError{field("", "invalid_type")}},
		"a string":         {`"s3cret"`, []httpserver.FieldError{field("", "invalid_type")}},
		"nothing given":    {`{}`, []httpserver.FieldError{field("email", "required")}},
		"null given":       {`{"email":null}`, []httpserver.FieldError{field("email", "invalid_type")}},
		"wrong case":       {`{"Email":"s3cret"}`, []httpserver.FieldError{field("Email", "unknown_field"), field("email", "required")}},
		"unknown":          {`{"email":"a","role":"s3cret"}`, []httpserver.FieldError{field("role", "unknown_field")}},
		"__proto__":        {`{"email":"a","__proto__":{"s3cret":1}}`, []httpserver.FieldError{field("__proto__", "unknown_field")}},
		"wrong type":       {`{"email":{"s3cret":1}}`, []httpserver.FieldError{field("email", "invalid_type")}},
		"not whole":        {`{"email":"a","age":1.5}`, []httpserver.FieldError{field("age", "invalid_type")}},
		"too small":        {`{"email":"a","age":-1}`, []httpserver.FieldError{field("age", "invalid")}},
		"does not fit":     {`{"email":"a","age":1e30}`, []httpserver.FieldError{field("age", "invalid_type")}},
		"in a list":        {`{"email":"a","tags":["b",1]}`, []httpserver.FieldError{field("tags[1]", "invalid_type")}},
		"nested":           {`{"email":"a","inner":{}}`, []httpserver.FieldError{field("inner.name", "required")}},
		"rule":             {`{"email":"bad"}`, []httpserver.FieldError{field("email", "invalid_email")}},
		"schema and rule":  {`{"email":"bad","age":"s3cret","x":1}`, []httpserver.FieldError{field("age", "invalid_type"), field("email", "invalid_email"), field("x", "unknown_field")}},
		"all at once":      {`{"age":"s3cret","admin":"s3cret","tags":5}`, []httpserver.FieldError{field("admin", "invalid_type"), field("age", "invalid_type"), field("email", "required"), field("tags", "invalid_type")}},
		"empty field name": {`{"email":"a","":1}`, []httpserver.FieldError{field("", "unknown_field")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := s.post(t, "/api/people", test.body).problem(t, http.StatusUnprocessableEntity, "validation_failed")
			for i := range p.Errors {
				require.NotEmpty(t, p.Errors[i].Message)
				p.Errors[i].Message = ""
			}
			require.Equal(t, test.want, p.Errors)
		})
	}
}

func TestManyWrongFieldsAreCut(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.post(t, "/api/people", `{"email":"a","tags":[0`+strings.Repeat(",0", 5000)+`]}`)
	require.Len(t, p.problem(t, http.StatusUnprocessableEntity, "validation_failed").Errors, 20)
}

// Whatever is sent, a problem fits into what the kernel keeps for a client who does not read, so that nothing waits for it.
func TestProblemsAreShort(t *testing.T) {
	t.Parallel()
	s := start(t)
	var fields strings.Builder
	for i := range 100 {
		fmt.Fprintf(&fields, `,"%d%s":1`, i, strings.Repeat(`\u0001é`, 700)) // an answer takes six octets to name each of the first
	}
	p := s.post(t, "/api/people", `{"email":"a"`+fields.String()+`}`)
	problem := p.problem(t, http.StatusUnprocessableEntity, "validation_failed")
	require.Len(t, problem.Errors, 20)
	for _, field := range problem.Errors {
		require.LessOrEqual(t, len(field.Field), 64)
		require.NotContains(t, field.Field, "\ufffd")
	}
	require.Less(t, len(p.Text), 16<<10)
}

func TestParameters(t *testing.T) {
	t.Parallel()
	s := start(t)
	for query, want := range map[string][]httpserver.FieldError{
		"page=0&must=1":          {{Field: "page", Code: "invalid"}},
		"page=s3cret&must=1":     {{Field: "page", Code: "invalid_type"}},
		"sort=s3cret&must=1":     {{Field: "sort", Code: "invalid"}},
		"":                       {{Field: "must", Code: "required"}},
		"page=s3cret&sort=email": {{Field: "must", Code: "required"}, {Field: "page", Code: "invalid_type"}, {Field: "sort", Code: "invalid"}},
	} {
		p := s.send(t, http.MethodGet, "/api/people?"+query, "").problem(t, http.StatusUnprocessableEntity, "validation_failed")
		for i := range p.Errors {
			p.Errors[i].Message = ""
		}
		require.Equal(t, want, p.Errors, query)
	}
	for _, query := range []string{"must=%00", "must=%zz", "must=%ff", "%00=1&must=1", "must=1;page=2", "must=a%ed%a0%80"} {
		s.send(t, http.MethodGet, "/api/people?"+query, "").problem(t, http.StatusBadRequest, "malformed_request")
	}
	require.Equal(t, http.StatusNoContent, s.send(t, http.MethodGet, "/api/people?must=%C3%A9+1&page=2&sort=-name", "").StatusCode)
}

func TestRoutesWithoutBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, body := range []string{"", "{}", " { } "} {
		require.Equal(t, http.StatusNoContent, s.send(t, http.MethodDelete, "/api/people/1", body, "Content-Type", "application/json").StatusCode, body)
	}
	require.Equal(t, http.StatusNoContent, s.send(t, http.MethodDelete, "/api/people/1", "", "Content-Type", "text/plain").StatusCode)

	p := s.send(t, http.MethodDelete, "/api/people/1", `{"reason":"s3cret"}`, "Content-Type", "application/json").
		problem(t, http.StatusUnprocessableEntity, "validation_failed")
	require.Equal(t, []httpserver.FieldError{{Field: "reason", Code: "unknown_field", Message: "is not a known field"}}, p.Errors)
	for _, body := range []string{"null", "[]", "7"} {
		s.send(t, http.MethodDelete, "/api/people/1", body, "Content-Type", "application/json").
			problem(t, http.StatusUnprocessableEntity, "validation_failed")
	}
	for _, body := range []string{"{", "{}{}", `{"a":1,"a":2}`} {
		s.send(t, http.MethodDelete, "/api/people/1", body, "Content-Type", "application/json").
			problem(t, http.StatusBadRequest, "malformed_request")
	}
	s.send(t, http.MethodDelete, "/api/people/1", "{}").problem(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, accepted := range []string{
		"application/json", "APPLICATION/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`,
	} {
		require.Equal(t, http.StatusOK, s.send(t, http.MethodPost, "/api/people", `{"email":"a"}`, "Content-Type", accepted).StatusCode, accepted)
	}
	for _, refused := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/cbor",
		"application/problem+json", "application/json; charset=latin1", "application/json; charset", "application/json, text/plain", "json",
	} {
		s.send(t, http.MethodPost, "/api/people", `{"email":"s3cret"}`, "Content-Type", refused).
			problem(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	s.send(t, http.MethodPost, "/api/people", "\x1f\x8b", "Content-Type", "application/json", "Content-Encoding", "gzip").
		problem(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
}
