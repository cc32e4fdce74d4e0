package e2e

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// TestZones: the database, its role and the program are each in another zone, and no time is wrong.
func TestZones(t *testing.T) {
	t.Parallel()
	db := dbtest.Empty(t)
	_, err := db.Pool().Exec(t.Context(), `ALTER DATABASE "`+db.Name+`" SET timezone = 'America/New_York'`)
	require.NoError(t, err)
	role, err := url.Parse(db.DSN)
	require.NoError(t, err)
	_, err = db.Pool().Exec(t.Context(),
		`ALTER ROLE "`+role.User.Username()+`" IN DATABASE "`+db.Name+`" SET timezone = 'Asia/Kolkata'`)
	require.NoError(t, err)

	before := time.Now().UTC().Add(-time.Second)
	env := append(program.Standard(t, db.DSN), "TZ=Pacific/Auckland")
	p := start(t, env...)
	p.account(env, "zones@example.com", password)
	login := p.client().do("POST", "/api/auth/login", object{"email": "zones@example.com", "password": password}).is(200)
	me := p.client().as(login.text("accessToken")).do("GET", "/api/users/me", nil).is(200)
	after := time.Now().UTC().Add(time.Second)
	for _, member := range []string{"createdAt", "updatedAt", "lastLoginAt"} {
		at, err := time.Parse(time.RFC3339Nano, me.text(member))
		require.NoError(t, err)
		require.Equal(t, time.UTC, at.Location(), member)
		require.WithinRange(t, at, before, after, member)
	}
	// The row says so, too, whoever looks: it is UTC, and an hour from now no session has ended early.
	var early, stored time.Time
	require.NoError(t, db.Pool().QueryRow(t.Context(),
		"SELECT u.created_at, s.expires_at FROM users.users u JOIN users.sessions s ON s.user_id = u.id WHERE u.email = 'zones@example.com'").
		Scan(&stored, &early))
	require.WithinRange(t, stored, before, after)
	require.WithinRange(t, early, before.Add(720*time.Hour), after.Add(720*time.Hour))

	access, _ := p.client().logIn(program.AdminEmail, program.AdminPassword)
	admin := p.client().as(access)
	recent := "/api/users?createdFrom=" + before.Format("2006-01-02T15:04:05Z") + "&createdTo=" + after.Format("2006-01-02T15:04:05Z")
	require.InDelta(t, 2, admin.do("GET", recent, nil).is(200).JSON["meta"].(map[string]any)["total"], 0)
	require.InDelta(t, 2, admin.do("GET", "/api/users/stats", nil).is(200).JSON["signups24h"], 0)
}
