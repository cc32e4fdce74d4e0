package e2e

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/test/program"
)

// cable is a TCP connection to a server that can be cut and mended.
type cable struct {
	target   string
	listener net.Listener

	mu    sync.Mutex
	whole bool
	ends  []net.Conn
}

// newCable returns a whole cable to the server of dsn, and the address at its near end.
func newCable(t *testing.T, dsn string) (c *cable, through string) {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	c = &cable{target: u.Host, whole: true}
	c.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go c.serve()
	t.Cleanup(func() {
		_ = c.listener.Close()
		c.cut()
	})
	u.Host = c.listener.Addr().String()
	return c, u.String()
}

func (c *cable) serve() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		c.mu.Lock()
		c.ends = append(c.ends, near, far)
		if !c.whole {
			c.hangUp()
		}
		c.mu.Unlock()
		go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
		go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
	}
}

// cut ends all connections, and each new one as soon as it is made.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = false
	c.hangUp()
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = true
}

func (c *cable) hangUp() {
	for _, end := range c.ends {
		_ = end.Close()
	}
	c.ends = nil
}

func TestWarmProfileNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	line, dsn := newCable(t, dbtest.Empty(t).DSN)
	p := start(t, program.Standard(t, dsn)...)
	access, _ := p.client().logIn(program.AdminEmail, program.AdminPassword)
	admin := p.client().as(access)
	warm := admin.do("GET", "/api/users/me", nil).is(200)

	line.cut()
	for range 100 {
		require.Equal(t, warm.Raw, admin.do("GET", "/api/users/me", nil).is(200).Raw)
	}
	begin := time.Now()
	refused := admin.do("GET", "/api/users", nil).is(503, "unavailable")
	require.Less(t, time.Since(begin), 6*time.Second, "well under the limit of a request, 10 s")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	p.client().do("POST", "/api/auth/login", object{"email": program.AdminEmail, "password": program.AdminPassword}).is(503, "unavailable")
	p.client().do("GET", "/livez", nil).is(200)
	p.client().do("GET", "/readyz", nil).isStatus(503)

	for _, told := range []string{program.AdminEmail, program.AdminPassword, access} {
		require.NotContains(t, p.Logs.String(), told)
	}

	line.mend()
	p.Await("the list works again", func() bool { return admin.do("GET", "/api/users", nil).Status == http.StatusOK })
	p.client().do("GET", "/readyz", nil).is(200)
	p.client().logIn(program.AdminEmail, program.AdminPassword)
	require.Equal(t, 0, p.Stop(syscall.SIGTERM))
}

// A lock of a migration or of a colleague at the database console makes requests wait: their budget ends it.
func TestLockedTableIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	db := dbtest.Empty(t)
	p := start(t, program.Standard(t, db.DSN)...)
	access, _ := p.client().logIn(program.AdminEmail, program.AdminPassword)
	admin := p.client().as(access)
	admin.do("GET", "/api/users/me", nil).is(200)

	tx, err := db.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE users.users IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	begin := time.Now()
	refused := admin.do("GET", "/api/users", nil).is(503, "unavailable")
	require.Less(t, time.Since(begin), 6*time.Second, "well under the limit of a request, 10 s")
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	admin.do("GET", "/api/users/me", nil).is(200)
	require.NoError(t, tx.Rollback(t.Context()))
	admin.do("GET", "/api/users", nil).is(200)
}
