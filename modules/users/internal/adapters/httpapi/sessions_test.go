package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

type listedSession struct {
	ID                               uuid.UUID
	Device, Address                  string
	CreatedAt, LastUsedAt, ExpiresAt time.Time
	Current                          bool
}

// loginWith starts a session over HTTP, from a client that says what it is.
func (w *world) loginWith(email, userAgent string) (access, refresh string) {
	w.t.Helper()
	var tokens struct{ AccessToken, RefreshToken string }
	w.send("POST /api/auth/login", "", with(map[string]any{"email": email, "password": password}), "User-Agent", userAgent).
		is(http.StatusOK).into(&tokens)
	return tokens.AccessToken, tokens.RefreshToken
}

func (w *world) sessions(token string) []listedSession {
	w.t.Helper()
	var listed struct{ Data []listedSession }
	w.send("GET /api/users/me/sessions", token, "").is(http.StatusOK).into(&listed)
	return listed.Data
}

func TestSessionsOfTheOwnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.account("ana@example.com")
	phone, _ := w.loginWith("ana@example.com", "TickrApp/2.1 (something nobody knows)")
	w.clock.Advance(time.Minute)
	desk, refresh := w.loginWith("ana@example.com", firefox)
	w.clock.Advance(time.Minute)
	w.send("POST /api/auth/refresh", "", with(map[string]any{"refreshToken": refresh}), "User-Agent", firefox).is(http.StatusOK)

	now := w.clock.Now()
	answered := w.send("GET /api/users/me/sessions", desk, "").is(http.StatusOK)
	require.NotContains(t, answered.Body.String(), refresh)
	listed := w.sessions(desk)
	require.Equal(t, []listedSession{
		{
			ID: listed[0].ID, Device: "Firefox on Linux", Address: "192.0.2.1", Current: true,
			CreatedAt: now.Add(-time.Minute), LastUsedAt: now, ExpiresAt: now.Add(720 * time.Hour),
		},
		{
			ID: listed[1].ID, Device: "TickrApp", Address: "192.0.2.1",
			CreatedAt: now.Add(-2 * time.Minute), LastUsedAt: now.Add(-2 * time.Minute), ExpiresAt: now.Add(720*time.Hour - 2*time.Minute),
		},
	}, listed)

	foreign := w.account("ben@example.com")
	other := w.login(foreign.Email)
	for _, id := range []string{w.sessions(other.Access)[0].ID.String(), unknownID.String(), "nonsense", "{" + listed[1].ID.String() + "}"} {
		w.send("DELETE /api/users/me/sessions/"+id, desk, "").problem(http.StatusNotFound, "not_found")
	}
	w.send("DELETE /api/users/me/sessions/"+listed[1].ID.String(), desk, "").is(http.StatusNoContent)
	w.send("GET /api/users/me", phone, "").problem(http.StatusUnauthorized, "session_ended")

	tablet, _ := w.loginWith("ana@example.com", "")
	require.Equal(t, "Unknown", w.sessions(tablet)[0].Device)
	w.send("DELETE /api/users/me/sessions", tablet, "").is(http.StatusNoContent)
	w.send("GET /api/users/me", desk, "").problem(http.StatusUnauthorized, "session_ended")
	require.Len(t, w.sessions(tablet), 1)
	w.send("GET /api/users/me", other.Access, "").is(http.StatusOK)
}

func TestAdministratorEndsSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin()
	u, token := w.participant("ana@example.com")
	w.send("DELETE /api/users/"+u.ID.String()+"/sessions", admin, "").is(http.StatusNoContent)
	w.send("GET /api/users/me", token, "").problem(http.StatusUnauthorized, "session_ended")
	w.send("DELETE /api/users/"+unknownID.String()+"/sessions", admin, "").problem(http.StatusNotFound, "not_found")
}

func TestAuditTrail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	u, _ := w.participant("ana@example.com")
	path := "/api/users/" + u.ID.String()
	w.send("POST /api/auth/login", "", with(map[string]any{"email": u.Email, "password": newPassword}), "User-Agent", firefox+"\x01").
		problem(http.StatusUnauthorized, "invalid_credentials")
	w.send("PATCH "+path, token, `{"role":"ORGANIZER"}`, "User-Agent", "curl/8.0").is(http.StatusOK)

	type act struct {
		Act, Outcome, Address string
		ActorID               *users.ID
		UserAgent             *string
		Details               map[string]string
	}
	var page struct {
		Data []act
		Meta struct {
			Limit      int
			NextCursor *string
		}
	}
	var found []act
	for query := "?limit=2"; ; query = "?limit=2&cursor=" + *page.Meta.NextCursor {
		page.Meta.NextCursor = nil
		w.send("GET "+path+"/audit"+query, token, "").is(http.StatusOK).into(&page)
		require.Equal(t, 2, page.Meta.Limit)
		found = append(found, page.Data...)
		page.Data = nil
		if page.Meta.NextCursor == nil {
			break
		}
	}
	require.Len(t, found, 3)
	admin := w.sessions(token)
	require.Len(t, admin, 1)
	require.Equal(t, "change_role", found[0].Act)
	require.Equal(t, "curl/8.0", *found[0].UserAgent)
	require.NotNil(t, found[0].ActorID)
	require.Equal(t, map[string]string{"from": "PARTICIPANT", "to": "ORGANIZER"}, found[0].Details)
	require.Equal(t, "failure", found[1].Outcome)
	require.Equal(t, "192.0.2.1", found[1].Address)
	require.Equal(t, firefox, *found[1].UserAgent)
	require.Nil(t, found[1].ActorID)
	require.Equal(t, "login", found[2].Act)
	require.Equal(t, u.ID, *found[2].ActorID)

	w.send("GET "+path+"/audit?limit=101&cursor=x", token, "").names("limit out_of_range", "cursor invalid")
	w.send("GET "+path+"/audit?page=1", token, "").names("page invalid")
	w.send("GET /api/users/"+unknownID.String()+"/audit", token, "").problem(http.StatusNotFound, "not_found")
}
