package app_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/tickr/tickr/cmd/tickr/app"
	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/startup"
)

func TestExitCodesAndReasons(t *testing.T) {
	t.Parallel()
	refused := refusal(t)
	const refusedBecause = `the database refuses this program: database "tickr_test_missing" does not exist (SQLSTATE 3D000)`
	unreachable := &app.DatabaseError{Err: errors.New("connection refused")}
	for name, test := range map[string]struct {
		err    error
		code   int
		reason string
	}{
		"anything":                {errors.New("disk full\n"), 1, "disk full"},
		"usage":                   {fmt.Errorf("%w: no such flag", app.ErrUsage), 2, "usage: no such flag"},
		"configuration":           {&config.Error{Mistakes: []string{"A: wrong", "B: wrong"}}, 3, "invalid configuration:\n  A: wrong\n  B: wrong"},
		"unreachable database":    {fmt.Errorf("count: %w", unreachable), 4, "count: the database cannot be reached: connection refused"},
		"refused":                 {refused, 4, refusedBecause},
		"refused while migrating": {&startup.MigrationError{Err: refused}, 4, refusedBecause},
		"migration":               {&startup.MigrationError{Err: errors.New("x.up.sql: syntax error")}, 5, "migrate: x.up.sql: syntax error"},
		"pending migrations":      {app.ErrPending, 5, "migrate: migrations are pending"},
		"usage in a migration":    {fmt.Errorf("%w: %w", app.ErrUsage, app.ErrPending), 2, "usage: migrate: migrations are pending"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.code, app.ExitCode(test.err))
			require.Equal(t, test.reason, app.Reason(test.err))
		})
	}
	require.Zero(t, app.ExitCode(nil))
}

// refusal is what the server says to somebody who asks for a database that it has not.
func refusal(t *testing.T) error {
	t.Helper()
	_, err := pgx.Connect(t.Context(), missing(t))
	require.Error(t, err)
	return err
}

// The way to a part that dependency injection took is of no interest to whoever starts the program.
func TestReasonIsThatOfThePart(t *testing.T) {
	t.Parallel()
	type part struct{}
	type whole struct{}
	cause := errors.New("the printer is on fire")
	for name, test := range map[string]struct {
		broken fx.Option
		code   int
		reason string
	}{
		"a constructor":  {fx.Provide(func() (part, error) { return part{}, cause }), 1, "the printer is on fire"},
		"a missing part": {fx.Options(), 1, "missing type: app_test.part"},
		"a misconfigured constructor": {
			fx.Provide(func() (part, error) { return part{}, &config.Error{Mistakes: []string{"PRINTER: is on fire"}} }), 3,
			"invalid configuration:\n  PRINTER: is on fire",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := configuration(t, "postgres://nobody@127.0.0.1:1/nothing")
			p := build(t, cfg, test.broken, fx.Provide(func(part) whole { return whole{} }), fx.Invoke(func(whole) {}))
			require.Error(t, p.Err())
			require.Equal(t, test.code, app.ExitCode(p.Err()))
			require.Equal(t, test.reason, app.Reason(p.Err()))
		})
	}
}
