package app_test

import (
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/usersfx"
	"github.com/tickr/tickr/platform/database/dbtest"
)

func TestGraphIsComplete(t *testing.T) {
	t.Parallel()
	cfg := configuration(t, "postgres://nobody@127.0.0.1:1/nothing")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	for name, program := range map[string]fx.Option{
		"commands":            app.Core(cfg, discard(), fx.Invoke(func(users.Directory, usersfx.Operator) {})),
		"both ports":          app.Serve(cfg, discard(), app.Listeners{API: listener, Ops: listener}, func() {}),
		"no operations port":  app.Serve(cfg, discard(), app.Listeners{API: listener}, func() {}),
		"with another module": app.Serve(cfg, discard(), app.Listeners{API: listener}, func() {}, fx.Invoke(func(users.Directory) {})),
	} {
		require.NoError(t, fx.ValidateApp(program), name)
	}
}

func TestDirectoryServesSiblings(t *testing.T) {
	t.Parallel()
	var directory users.Directory
	p := start(t, configuration(t, dbtest.Empty(t).DSN), fx.Populate(&directory))
	u, err := directory.ByEmail(t.Context(), " Root@Tickr.TEST")
	require.NoError(t, err)
	require.Equal(t, users.Admin, u.Role)

	cached, err := directory.RequireActive(t.Context(), u.ID)
	require.NoError(t, err)
	require.Equal(t, "First", cached.FirstName)
	status, _ := p.send("PUT", "/api/users/me", p.logIn(), map[string]any{"firstName": "Changed", "lastName": "Admin", "phone": nil})
	require.Equal(t, http.StatusOK, status)
	fresh, err := directory.Get(t.Context(), u.ID)
	require.NoError(t, err)
	require.Equal(t, "Changed", fresh.FirstName, "what HTTP has changed, a sibling sees at once")
}

func TestProgramsAtOnceOnAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	db := dbtest.Empty(t)
	programs := make([]*program, 3)
	for i := range programs {
		programs[i] = build(t, configuration(t, db.DSN))
	}
	var starting sync.WaitGroup
	for _, p := range programs {
		starting.Go(func() {
			if err := p.Start(t.Context()); err != nil {
				t.Errorf("start: %v", err)
			}
		})
	}
	starting.Wait()
	created := 0
	var applied []string
	for _, p := range programs {
		p.awaitReady()
		created += len(p.log.records(t, "the first administrator was created"))
		for _, record := range p.log.records(t, "migration applied") {
			applied = append(applied, record["migration"].(string))
		}
		token := p.logIn()
		status, stats := p.send("GET", "/api/users/stats", token, nil)
		require.Equal(t, http.StatusOK, status)
		require.InDelta(t, 1, stats["total"], 0)
	}
	require.Equal(t, 1, created)
	slices.Sort(applied)
	require.NotEmpty(t, applied)
	require.Equal(t, slices.Compact(slices.Clone(applied)), applied, "each migration was applied once")
	for _, p := range programs {
		require.NoError(t, p.stop())
	}

	again := start(t, configuration(t, db.DSN))
	require.Empty(t, again.log.records(t, "the first administrator was created"))
	require.Empty(t, again.log.records(t, "migration applied"))
	again.logIn()
}
