package httpserver

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

const (
	maxBodyBytes    = 1 << 20 // a body of exactly this size is accepted
	maxHeaderBytes  = 32 << 10
	bodyReadTimeout = 5 * time.Second

	// requestTimeout ends the context of a request. It is shorter than the
	// time to write, so that its 503 still reaches the client.
	requestTimeout = 10 * time.Second
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 60 * time.Second
)

// requireReadable lets through requests whose query and body can be read at
// all. It reads the body, so that every route has the same limits and the
// context of the request ends when its client goes away: net/http notices that
// only once the body is read.
func requireReadable(c *gin.Context) {
	if c.FullPath() == "" {
		return // nothing there: 404 or 405, whatever was sent
	}
	problem := checkQuery(c.Request.URL.RawQuery)
	if problem == nil && c.Request.ContentLength != 0 {
		problem = bufferBody(c)
	}
	if problem != nil {
		// The rest of a refused body may be under way and would be taken for
		// the next request.
		c.Header("Connection", "close")
		problem.write(c)
	}
}

func checkQuery(raw string) *Problem {
	if raw == "" {
		return nil
	}
	query, err := url.ParseQuery(raw)
	valid := err == nil
	for name, values := range query {
		for _, text := range append(values, name) {
			valid = valid && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
		}
	}
	if !valid {
		return standard(http.StatusBadRequest, "The query must be percent-encoded UTF-8 without NUL characters.")
	}
	return nil
}

func bufferBody(c *gin.Context) *Problem {
	if c.Request.ContentLength > maxBodyBytes {
		return tooLarge()
	}
	// A writer that knows no deadline, as in a handler test, has no slow client.
	connection := http.NewResponseController(c.Writer)
	_ = connection.SetReadDeadline(time.Now().Add(bodyReadTimeout))
	body, err := io.ReadAll(io.LimitReader(c.Request.Body, maxBodyBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return standard(http.StatusRequestTimeout, "The body did not arrive in time.")
	case err != nil:
		return standard(http.StatusBadRequest, "The body ended too early.")
	case len(body) > maxBodyBytes:
		return tooLarge()
	case len(body) > 0 && !isPlainJSON(c.Request.Header):
		return standard(http.StatusUnsupportedMediaType, "The body must be sent as application/json in UTF-8, not compressed.")
	}
	// Only now: net/http reads on after a body that was refused, and would wait
	// for as long as the client likes.
	_ = connection.SetReadDeadline(time.Time{})
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

func tooLarge() *Problem {
	return standard(http.StatusRequestEntityTooLarge, "The body is larger than 1 MiB.")
}

func isPlainJSON(header http.Header) bool {
	mediaType, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset, given := parameters["charset"]
	return err == nil && mediaType == "application/json" &&
		(!given || strings.EqualFold(charset, "utf-8")) &&
		header.Get("Content-Encoding") == ""
}
