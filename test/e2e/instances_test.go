package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// TestChangesReachTheOtherInstance makes changes through one of two programs over one database, and sees how long the other, which has
// the old state in its cache, goes by that. TICKR_SECURITY=1 holds it to the second of the contract, 20 times over.
func TestChangesReachTheOtherInstance(t *testing.T) {
	t.Parallel()
	rounds, bound := 2, 15*time.Second
	if os.Getenv("TICKR_SECURITY") != "" {
		rounds, bound = 20, time.Second
	}
	env := program.Standard(t, dbtest.Empty(t).DSN)
	here, there := start(t, env...), start(t, env...)
	rootAccess, _ := here.client().logIn(program.AdminEmail, program.AdminPassword)
	root := here.client().as(rootAccess)

	type person struct{ id, email, access, refresh string }
	const newPassword = "copper-lantern-gravity"
	changes := map[string]struct {
		change func(p person)
		status int // of GET /api/users/stats, for the person, once the change has arrived
	}{
		"logout": {func(p person) {
			here.client().do("POST", "/api/auth/logout", object{"refreshToken": p.refresh}).is(http.StatusNoContent)
		}, http.StatusUnauthorized},
		"deactivation": {func(p person) {
			root.do("POST", "/api/users/"+p.id+"/deactivate", nil).is(http.StatusOK)
		}, http.StatusUnauthorized},
		"password change": {func(p person) {
			access, _ := here.client().logIn(p.email, password)
			here.client().as(access).do("PATCH", "/api/users/me/password", object{"currentPassword": password, "newPassword": newPassword}).is(http.StatusOK)
		}, http.StatusUnauthorized},
		"end of all sessions": {func(p person) {
			root.do("DELETE", "/api/users/"+p.id+"/sessions", nil).is(http.StatusNoContent)
		}, http.StatusUnauthorized},
		"role change": {func(p person) {
			root.do("PATCH", "/api/users/"+p.id, object{"role": "ADMIN"}).is(http.StatusOK)
		}, http.StatusOK},
	}
	var took []time.Duration
	for round := range rounds {
		for name, test := range changes {
			email := fmt.Sprintf("ana%d%d@example.com", round, len(took))
			here.account(env, email, password)
			login := here.client().do("POST", "/api/auth/login", object{"email": email, "password": password}).is(http.StatusOK)
			p := person{login.text("user", "id"), email, login.text("accessToken"), login.text("refreshToken")}
			asked := there.client().as(p.access)
			asked.do("GET", "/api/users/stats", nil).is(http.StatusForbidden)
			test.change(p)
			begin := time.Now()
			for asked.do("GET", "/api/users/stats", nil).Status != test.status {
				require.Less(t, time.Since(begin), bound, "%s has not arrived", name)
				time.Sleep(2 * time.Millisecond)
			}
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	t.Logf("%d changes reached the other instance in %s at the median, %s at most", len(took), took[len(took)/2], took[len(took)-1])
}
