package migrate_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/migrate"
)

func TestNewRefusesAmbiguousSets(t *testing.T) {
	t.Parallel()
	other := files("20260101000000_other.tx.up.sql", "", "20260101000000_other.tx.down.sql", "")
	for name, c := range map[string]struct {
		sources []fs.FS
		want    string
	}{
		"one number in two modules":    {[]fs.FS{shop, other}, "have the same number"},
		"one migration in two modules": {[]fs.FS{shop, shop}, "have the same number"},
		"with and without transaction": {[]fs.FS{shop, files("20260101000000_create_shop.up.sql", "")}, "have the same number"},
		"no down file":                 {[]fs.FS{files("20260101000000_a.tx.up.sql", "")}, "has no down file"},
		"no up file":                   {[]fs.FS{files("20260101000000_a.tx.down.sql", "")}, "has no up file"},
		"halves of two migrations": {
			[]fs.FS{files("20260101000000_a.tx.up.sql", "", "20260101000000_b.tx.down.sql", "")}, "have the same number",
		},
		"short number": {[]fs.FS{files("1_a.tx.up.sql", "")}, "14 digits"},
		"upper case":   {[]fs.FS{files("20260101000000_CreateShop.up.sql", "")}, "14 digits"},
		"no direction": {[]fs.FS{files("20260101000000_a.sql", "")}, "14 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := migrate.New("postgres://localhost/tickr", c.sources...)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestNewRefusesABadDSN(t *testing.T) {
	t.Parallel()
	_, err := migrate.New("postgres://tickr:s3cr3t@localhost:port/tickr", shop)
	require.ErrorContains(t, err, "connection string")
	require.NotContains(t, err.Error(), "s3cr3t")
}

func TestCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 3, 4, 1, 2, 3, 0, time.FixedZone("east", 3600))
	up, down, err := migrate.Create(dir, "add_version", migrate.Draft{}, now)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "20260304000203_add_version.tx.up.sql"), up)
	require.Equal(t, filepath.Join(dir, "20260304000203_add_version.tx.down.sql"), down)
	_, err = migrate.New("postgres://localhost/tickr", os.DirFS(dir))
	require.NoError(t, err)

	_, _, err = migrate.Create(dir, "add_version", migrate.Draft{}, now)
	require.ErrorIs(t, err, fs.ErrExist)
}

func TestCreateWritesADraft(t *testing.T) {
	t.Parallel()
	up, down, err := migrate.Create(t.TempDir(), "a", migrate.Draft{Up: "SELECT 1;\n", Down: "SELECT 2;\n"}, time.Now())
	require.NoError(t, err)
	for file, want := range map[string]string{up: "SELECT 1;", down: "SELECT 2;"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), want)
	}
	findings, err := migrate.Lint(os.DirFS(filepath.Dir(up)))
	require.NoError(t, err)
	require.Empty(t, findings)
}

func TestCreateLeavesNoHalf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "20260304000000_a.tx.down.sql"), nil, 0o600))
	_, _, err := migrate.Create(dir, "a", migrate.Draft{}, now)
	require.ErrorIs(t, err, fs.ErrExist)
	require.NoFileExists(t, filepath.Join(dir, "20260304000000_a.tx.up.sql"))
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"", "AddVersion", "add-version", "add version", "../up", "é"} {
		_, _, err := migrate.Create(dir, name, migrate.Draft{}, time.Now())
		require.ErrorContains(t, err, "migration name", name)
	}
	_, _, err := migrate.Create(filepath.Join(dir, "absent"), "add_version", migrate.Draft{}, time.Now())
	require.ErrorIs(t, err, fs.ErrNotExist)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
