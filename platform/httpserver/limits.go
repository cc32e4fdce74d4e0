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

	// Of the bodies that are larger than smallBodyBytes, largeBodies are in
	// memory at a time. Thousands of connections could fill it otherwise.
	smallBodyBytes = 32 << 10
	largeBodies    = 16
	largeBodyWait  = time.Second

	// requestTimeout ends the context of a request. It is shorter than the
	// time to write, so that its 503 still reaches the client.
	requestTimeout = 10 * time.Second
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 60 * time.Second
)

// bodies are the places of those that are large.
type bodies chan struct{}

// requireReadable lets through requests whose query and body can be read at
// all. It reads the body, so that every route has the same limits and the
// context of the request ends when its client goes away: net/http notices that
// only once the body is read.
func (large bodies) requireReadable(c *gin.Context) {
	if c.FullPath() == "" {
		return // nothing there: 404 or 405, whatever was sent
	}
	problem := checkQuery(c.Request.URL.RawQuery)
	if problem == nil && c.Request.ContentLength != 0 {
		var release func()
		release, problem = large.buffer(c)
		defer release()
	}
	if problem != nil {
		// The rest of a refused body may be under way and would be taken for
		// the next request.
		c.Header("Connection", "close")
		problem.write(c)
		return
	}
	c.Next()
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

// buffer reads the body. The place that it may take is released when the
// request is answered.
func (large bodies) buffer(c *gin.Context) (release func(), problem *Problem) {
	release = func() {}
	if c.Request.ContentLength > maxBodyBytes {
		return release, tooLarge()
	}
	// A writer that knows no deadline, as in a handler test, has no slow client.
	connection := http.NewResponseController(c.Writer)
	_ = connection.SetReadDeadline(time.Now().Add(bodyReadTimeout))
	var whole bytes.Buffer
	length, err := c.Request.ContentLength, error(nil)
	if length < 0 { // not known: chunks
		length, err = whole.ReadFrom(io.LimitReader(c.Request.Body, smallBodyBytes+1))
	}
	if length > smallBodyBytes {
		select {
		case large <- struct{}{}:
			release = func() { <-large }
		case <-time.After(largeBodyWait):
			return release, unavailable
		}
		_ = connection.SetReadDeadline(time.Now().Add(bodyReadTimeout))
	}
	if err == nil {
		whole.Grow(int(length) + bytes.MinRead)
		_, err = whole.ReadFrom(io.LimitReader(c.Request.Body, maxBodyBytes+1-int64(whole.Len())))
	}
	body := whole.Bytes()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return release, standard(http.StatusRequestTimeout, "The body did not arrive in time.")
	case err != nil:
		return release, standard(http.StatusBadRequest, "The body ended too early.")
	case len(body) > maxBodyBytes:
		return release, tooLarge()
	case len(body) > 0 && !isPlainJSON(c.Request.Header):
		return release, standard(http.StatusUnsupportedMediaType, "The body must be sent as application/json in UTF-8, not compressed.")
	}
	// Only now: net/http reads on after a body that was refused, and would wait
	// for as long as the client likes.
	_ = connection.SetReadDeadline(time.Time{})
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	return release, nil
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
