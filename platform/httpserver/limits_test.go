package httpserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const mebibyte = 1 << 20

// textBody is a document of exactly size bytes.
func textBody(size int) string {
	const frame = `{"text":""}`
	return `{"text":"` + strings.Repeat("x", size-len(frame)) + `"}`
}

func TestBodySize(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, size := range []int{mebibyte - 1, mebibyte} {
		require.Equal(t, http.StatusOK, s.post(t, "/api/text", textBody(size)).StatusCode, size)
	}
	for _, size := range []int{mebibyte + 1, 2 * mebibyte, 8 * mebibyte} {
		s.post(t, "/api/text", textBody(size)).problem(t, http.StatusRequestEntityTooLarge, "payload_too_large")
		s.send(t, http.MethodDelete, "/api/people/1", textBody(size), "Content-Type", "application/json").
			problem(t, http.StatusRequestEntityTooLarge, "payload_too_large")
	}
}

// Large bodies are few at a time, and small ones do not wait for them.
func TestLargeBodiesAreFew(t *testing.T) {
	t.Parallel()
	s := start(t)
	const places = 16
	large := strings.Repeat(" ", 100<<10) + "{}"
	var held sync.WaitGroup
	for range places {
		held.Go(func() { s.post(t, "/api/fail/wait", large) }) // for 10 s
	}
	time.Sleep(time.Second)
	started := time.Now()
	small := `{"text":"small"}`
	require.Equal(t, http.StatusOK, s.post(t, "/api/text", small+strings.Repeat(" ", 32<<10-1-len(small))).StatusCode)
	require.Less(t, time.Since(started), 3*time.Second)
	chunked := "POST /api/text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
		fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(small), small)
	require.Contains(t, s.dial(t, chunked), "HTTP/1.1 200 ")
	refused := s.post(t, "/api/text", textBody(mebibyte))
	refused.problem(t, http.StatusServiceUnavailable, "unavailable")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	held.Wait()
	require.Equal(t, http.StatusOK, s.post(t, "/api/text", textBody(mebibyte)).StatusCode)
}

func TestChunkedBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	chunked := func(body string) string {
		return "POST /api/text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
			fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	require.Contains(t, s.dial(t, chunked(textBody(mebibyte))), "HTTP/1.1 200 ")
	require.Contains(t, s.dial(t, chunked(textBody(mebibyte+1))), "HTTP/1.1 413 ")
	require.Contains(t, s.dial(t, strings.Replace(chunked("{}"), "2\r\n", "zz\r\n", 1)), "HTTP/1.1 400 ")
}

func TestLyingContentLength(t *testing.T) {
	t.Parallel()
	s := start(t)
	request := func(length, body string) string {
		return "POST /api/people HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + length + "\r\n\r\n" + body
	}
	// Too long a length is refused without waiting for the bytes, and nothing
	// of the body is taken for a second request.
	started := time.Now()
	answer := s.dial(t, request("1048577", "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.Contains(t, answer, "HTTP/1.1 413 ")
	require.Equal(t, 1, strings.Count(answer, "HTTP/1.1"))
	require.Less(t, time.Since(started), 3*time.Second)

	for _, length := range []string{"-1", "x", "99999999999999999999", "1\r\nContent-Length: 2"} {
		require.Contains(t, s.dial(t, request(length, "{}")), "HTTP/1.1 400 ", length)
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	started := time.Now()
	answer := s.dial(t, "POST /api/people HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"email\":")
	require.Contains(t, answer, "HTTP/1.1 408 ")
	require.Contains(t, answer, `"code":"request_timeout"`)
	require.InDelta(t, 5, time.Since(started).Seconds(), 2)
}

func TestSlowHeader(t *testing.T) {
	t.Parallel()
	s := start(t)
	started := time.Now()
	require.NotContains(t, s.dial(t, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "), " 200 ")
	require.InDelta(t, 5, time.Since(started).Seconds(), 2)
}

func TestHeaderSize(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.Equal(t, http.StatusOK, s.send(t, http.MethodGet, "/livez", "", "X-Large", strings.Repeat("x", 30<<10)).StatusCode)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge,
		s.send(t, http.MethodGet, "/livez", "", "X-Large", strings.Repeat("x", 40<<10)).StatusCode)
}

func TestHandlerDeadline(t *testing.T) {
	t.Parallel()
	s := start(t)
	started := time.Now()
	r := s.post(t, "/api/fail/wait", "")
	r.problem(t, http.StatusServiceUnavailable, "unavailable")
	require.Equal(t, "1", r.Header.Get("Retry-After"))
	require.InDelta(t, 10, time.Since(started).Seconds(), 2)
}
