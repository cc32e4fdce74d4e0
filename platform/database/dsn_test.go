package database_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
)

// with sets a parameter of a DSN in URL form.
func with(t *testing.T, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // as libpq wants it
	return u.String()
}

func TestParseDSNHidesTheDSN(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"port":         "postgres://tickr:s3cr3t@localhost:port/tickr",
		"stray slash":  "postgres://tickr:s3cr3t/word@localhost:5432/tickr",
		"bad escape":   "postgres://tickr:s3cr3t%zz@localhost/tickr",
		"key value":    "host=localhost password='s3cr3t",
		"sslmode":      "postgres://tickr:s3cr3t@localhost/tickr?sslmode=perhaps",
		"missing file": "postgres://tickr:s3cr3t@localhost/tickr?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := database.ParseDSN(dsn, nil)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "s3cr3t")
		})
	}
}

func TestParseDSNNamesAMissingFile(t *testing.T) {
	t.Parallel()
	_, err := database.ParseDSN("postgres://localhost/tickr?sslmode=verify-full&sslrootcert=/nowhere/ca.pem", nil)
	require.ErrorContains(t, err, "/nowhere/ca.pem")
}

func TestParseDSNSessionParametersWin(t *testing.T) {
	t.Parallel()
	cfg, err := database.ParseDSN("postgres://localhost/tickr?TimeZone=Asia/Tokyo&Lock_Timeout=9s&search_path=mine",
		map[string]string{"lock_timeout": "1s"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"timezone": "UTC", "lock_timeout": "1s", "search_path": "mine"},
		cfg.ConnConfig.RuntimeParams)
}
