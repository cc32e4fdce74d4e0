package e2e

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

func TestManyLoginsAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t, program.Standard(t, dbtest.Empty(t).DSN)...)
	var mu sync.Mutex
	answers := map[int]int{}
	p.atOnce(40, func(int) {
		a, err := p.client().try("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword})
		if err != nil {
			t.Errorf("log in: %v", err)
			return
		}
		acceptedOrBusy(t, a, http.StatusOK)
		mu.Lock()
		defer mu.Unlock()
		answers[a.Status]++
	})
	require.Positive(t, answers[http.StatusOK], answers)
	p.client().logIn(program.AdminEmail, program.AdminPassword)
}

// atOnce calls fn n times in parallel.
func (p *instance) atOnce(n int, fn func(i int)) {
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-begin
			fn(i)
		})
	}
	close(begin)
	group.Wait()
}

// acceptedOrBusy allows a status, or a 503 that says when to come back.
func acceptedOrBusy(t *testing.T, a answer, accepted int) {
	t.Helper()
	switch {
	case a.Status == accepted:
	case a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
	default:
		t.Errorf("answered %d: %s", a.Status, a.Raw)
	}
}
