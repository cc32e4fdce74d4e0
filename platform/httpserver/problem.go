package httpserver

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tickr/tickr/platform/telemetry"
)

const (
	problemType = "application/problem+json"

	// statusClientClosed is what a request ends with when its client has gone.
	// Nobody receives it; it is for logs and metrics.
	statusClientClosed = 499

	defaultRetryAfter = time.Second

	// maxFieldErrors and maxFieldName keep the answer to a body of junk so small
	// that the kernel takes it at once: a client who does not read it holds up
	// nothing that waits for it to be written.
	maxFieldErrors = 20
	maxFieldName   = 64 // octets
)

// codes are the codes of the problems that arise outside the modules.
var codes = map[int]string{
	http.StatusBadRequest:            "malformed_request",
	http.StatusUnauthorized:          "unauthorized",
	http.StatusForbidden:             "forbidden",
	http.StatusNotFound:              "not_found",
	http.StatusMethodNotAllowed:      "method_not_allowed",
	http.StatusRequestTimeout:        "request_timeout",
	http.StatusConflict:              "conflict",
	http.StatusPreconditionFailed:    "precondition_failed",
	http.StatusRequestEntityTooLarge: "payload_too_large",
	http.StatusUnsupportedMediaType:  "unsupported_media_type",
	http.StatusUnprocessableEntity:   "validation_failed",
	http.StatusTooManyRequests:       "too_many_requests",
	statusClientClosed:               "client_closed_request",
	http.StatusInternalServerError:   "internal_error",
	http.StatusServiceUnavailable:    "unavailable",
}

// Problem is an error as the client sees it: an RFC 9457 document. A handler
// returns one, or has its errors translated by MapErrors. Problems are shared
// and never changed; type, title, instance and request id are filled in when
// one is answered, and so are WWW-Authenticate (401) and Retry-After (429, 503).
type Problem struct {
	Type      string       `json:"type" format:"uri-reference" doc:"Names the kind of problem, stable"`
	Title     string       `json:"title" doc:"The status in words"`
	Status    int          `json:"status" doc:"HTTP status"`
	Detail    string       `json:"detail,omitempty" doc:"What is wrong, for people"`
	Instance  string       `json:"instance" format:"uri-reference" doc:"Path of the request"`
	Code      string       `json:"code" doc:"What is wrong, for programs; stable"`
	RequestID string       `json:"requestId" doc:"Names this request in the server's logs"`
	Errors    []FieldError `json:"errors,omitempty" doc:"Every wrong field, at most one entry each"`

	retryAfter time.Duration
}

// FieldError says what is wrong with one field of a request. It is an error, so
// that a huma.Resolver can return it.
type FieldError struct {
	Field   string `json:"field" doc:"Name of the field, dotted and indexed where nested"`
	Code    string `json:"code" doc:"What is wrong, for programs: required, unknown_field, invalid_type, invalid or a more telling one"`
	Message string `json:"message" doc:"What is wrong, for people; never the value"`
}

// Error is the field and the message.
func (e FieldError) Error() string { return e.Field + ": " + e.Message }

// NewProblem returns a problem. The code is its stable name for programs; the
// detail is for people and must hold nothing that came with the request.
func NewProblem(status int, code, detail string) *Problem {
	return &Problem{Status: status, Code: code, Detail: detail}
}

// Invalid returns a 422 that names every wrong field. Of several errors of one
// field the first is kept; the places body, query, path and header before a
// field's name are dropped.
func Invalid(fields ...FieldError) *Problem {
	p := standard(http.StatusUnprocessableEntity, "Some fields of the request are wrong.")
	seen := map[string]bool{}
	for _, field := range fields {
		field.Field = clipped(fieldName(field.Field))
		if !seen[field.Field] {
			seen[field.Field] = true
			p.Errors = append(p.Errors, field)
		}
	}
	slices.SortFunc(p.Errors, func(a, b FieldError) int { return cmp.Compare(a.Field, b.Field) })
	p.Errors = p.Errors[:min(len(p.Errors), maxFieldErrors)]
	return p
}

// standard is a problem with the usual code of its status.
func standard(status int, detail string) *Problem {
	return NewProblem(status, cmp.Or(codes[status], "http_"+strconv.Itoa(status)), detail)
}

// RetryAfter returns the problem with the time, at least one second, after
// which the client may try again.
func (p *Problem) RetryAfter(d time.Duration) *Problem {
	later := *p
	later.retryAfter = max(d, defaultRetryAfter)
	return &later
}

// Error is the code and the detail.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus makes a Problem a huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType makes a Problem a huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// answering returns the problem as the answer to the request of c, and sets the
// headers that go with it.
func (p *Problem) answering(c *gin.Context) *Problem {
	answer := *p
	answer.Type = "/problems/" + p.Code
	answer.Title = cmp.Or(http.StatusText(p.Status), "Client Closed Request")
	answer.Instance = c.Request.URL.EscapedPath()
	answer.RequestID = telemetry.RequestID(c.Request.Context())
	switch p.Status {
	case http.StatusUnauthorized:
		c.Header("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait := cmp.Or(p.retryAfter, defaultRetryAfter) + time.Second - 1
		c.Header("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
	return &answer
}

// write answers the request of c with the problem and stops its handlers.
func (p *Problem) write(c *gin.Context) {
	c.Header("Content-Type", problemType)
	c.AbortWithStatusJSON(p.Status, p.answering(c))
}

// clipped is a name, or as much of it as an answer has room for.
func clipped(name string) string {
	if len(name) <= maxFieldName {
		return name
	}
	return strings.ToValidUTF8(name[:maxFieldName], "")
}

var places = []string{"body", "query", "path", "header"}

// fieldName strips the place from a location of huma's such as body.email.
func fieldName(location string) string {
	place, field, nested := strings.Cut(location, ".")
	if !slices.Contains(places, place) {
		return location
	}
	if !nested {
		return ""
	}
	return field
}
