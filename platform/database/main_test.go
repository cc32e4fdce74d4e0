package database_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// open opens a pool of its own on dsn, with generous limits where change does not say otherwise.
func open(t *testing.T, dsn string, change func(*database.Options)) *database.Handle {
	t.Helper()
	o := database.Options{
		DSN:             dsn,
		PoolSize:        4,
		ConnectTimeout:  5 * time.Second,
		IdleTimeout:     30 * time.Second,
		ApplicationName: "tickr-test",
	}
	if change != nil {
		change(&o)
	}
	h, err := database.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(h.Close)
	return h
}

func exec(t *testing.T, h *database.Handle, sql string) {
	t.Helper()
	_, err := h.Conn(t.Context()).ExecContext(t.Context(), sql)
	require.NoError(t, err)
}

// value returns the one value that a query gives, as text.
func value(t *testing.T, h *database.Handle, sql string) string {
	t.Helper()
	var v string
	require.NoError(t, h.Conn(t.Context()).QueryRowContext(t.Context(), sql).Scan(&v))
	return v
}
