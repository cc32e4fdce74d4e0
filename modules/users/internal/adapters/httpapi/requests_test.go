package httpapi_test

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/adapters/httpapi"
	"github.com/tickr/tickr/modules/users/internal/userstest"
)

// newLimitedWorld is newWorld in which requests are limited, and so is everything else.
func newLimitedWorld(t *testing.T) *world {
	t.Helper()
	requests, err := httpapi.NewRequests()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, requests.Close(t.Context())) })
	w := newWorldOf(t, requests)
	w.service.Throttles, w.service.Cache = w.memory.Ports().Throttles, userstest.NoCache{}
	return w
}

// requireTooMany checks that an answer refuses, and says for how long.
func requireTooMany(t *testing.T, a answer, most time.Duration) {
	t.Helper()
	a.problem(http.StatusTooManyRequests, "rate_limited")
	seconds, err := strconv.Atoi(a.Header().Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, seconds)
	require.LessOrEqual(t, seconds, int(most/time.Second))
}

func TestRequestsOfAUserAreLimited(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	_, ana := w.participant("ana@example.com")
	_, bob := w.participant("bob@example.com")
	var served, refused atomic.Int32
	var all sync.WaitGroup
	for range 120 {
		all.Go(func() {
			switch a := w.send("GET /api/users/me", ana, ""); a.Code {
			case http.StatusOK:
				served.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 100, served.Load())
	require.EqualValues(t, 20, refused.Load())
	requireTooMany(t, w.send("PUT /api/users/me", ana, "{}"), time.Minute)
	require.Equal(t, http.StatusOK, w.send("GET /api/users/me", bob, "").Code, "others are not")
	require.Equal(t, http.StatusUnauthorized, w.send("GET /api/users/me", "", "").Code, "nor is the network they are in")
}

func TestRequestsOfANetworkAreLimited(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	_, ana := w.participant("ana@example.com")
	for n := range 100 { // of all that need no login, or lack it
		route, body, status := "POST /api/auth/verify-email", `{"token":"x"}`, http.StatusUnprocessableEntity
		if n%2 == 0 {
			route, body, status = "GET /api/users", "", http.StatusUnauthorized
		}
		require.Equal(t, status, w.send(route, "", body, "X-Forwarded-For", "203.0.113."+strconv.Itoa(n)).Code)
	}
	for route, body := range map[string]string{
		"POST /api/auth/verify-email": `{"token":"x"}`, "POST /api/auth/refresh": `{"refreshToken":"x"}`, "GET /api/users/me": "",
	} {
		requireTooMany(t, w.send(route, "", body, "X-Forwarded-For", "203.0.113.200"), time.Minute)
	}
	require.Equal(t, http.StatusOK, w.send("GET /api/users/me", ana, "").Code, "a user there is not")
	require.Equal(t, http.StatusOK, w.send("POST /api/auth/login", "", `{"email":"ana@example.com","password":"`+password+`"}`).Code, "logins have limits of their own")
}

func TestUseCasesSayWhenToTryAgain(t *testing.T) {
	t.Parallel()
	w := newLimitedWorld(t)
	login := `{"email":"nobody@example.com","password":"` + password + `"}`
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, w.send("POST /api/auth/login", "", login).Code)
	}
	a := w.send("POST /api/auth/login", "", login)
	requireTooMany(t, a, 15*time.Minute)
	require.Equal(t, "900", a.Header().Get("Retry-After"))
}
