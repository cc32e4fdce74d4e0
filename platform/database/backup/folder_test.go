package backup

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var evening = time.Date(2026, 11, 23, 19, 0, 0, 0, time.UTC)

// keep puts a backup into dir without a database.
func keep(t *testing.T, dir string, at time.Time) Backup {
	t.Helper()
	b := Backup{Name: "users-" + at.Format(stamp), At: at, dir: dir}
	dump := []byte("dump of " + b.Name)
	m := Manifest{
		Kind: Custom, Size: int64(len(dump)), SHA256: fmt.Sprintf("%x", sha256.Sum256(dump)), StartedAt: at, FinishedAt: at.Add(time.Second),
		Schemas: []string{"users"}, Tables: []Table{{Name: "users.users", Rows: 2}, {Name: "users.sessions", Rows: 3}},
	}
	require.NoError(t, os.WriteFile(m.dump(b.base()), dump, 0o600))
	require.NoError(t, m.seal(b.base()))
	b.Manifest = m
	return b
}

// flip changes one bit of a file.
func flip(t *testing.T, path string, offset int) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text[offset] ^= 1
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

func TestList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := keep(t, dir, evening), keep(t, dir, evening.Add(time.Hour))
	for _, name := range []string{"notes.txt", "users-20261123T190000Z.txt", "users-20261323T190000Z.dump", ".users-20261123T210000Z"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	backups, err := List(dir)
	require.NoError(t, err)
	require.Equal(t, []Backup{second, first}, backups)
	require.EqualValues(t, 5, backups[0].Manifest.Rows())

	backups, err = List(filepath.Join(dir, "nothing"))
	require.NoError(t, err)
	require.Empty(t, backups)
	_, err = List(first.Path())
	require.Error(t, err)
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Find(dir, "latest")
	require.ErrorIs(t, err, ErrNone)
	old, last := keep(t, dir, evening), keep(t, dir, evening.Add(time.Hour))
	for path, want := range map[string]Backup{
		"latest": last, old.Path(): old, old.base() + manifestExt: old, last.base() + sumsExt: last,
	} {
		found, err := Find(dir, path)
		require.NoError(t, err, path)
		require.Equal(t, want, found, path)
	}
	_, err = Find(dir, filepath.Join(dir, "users.dump"))
	require.ErrorContains(t, err, "users.dump")
	_, err = Find(dir, filepath.Join(dir, "users-20200101T000000Z.dump"))
	require.ErrorContains(t, err, "is missing")
	require.NoError(t, os.Remove(last.Path()))
	_, err = Find(dir, "latest")
	require.ErrorContains(t, err, filepath.Base(last.Path()), "an older one is not what was asked for")
}

func TestEveryBitOfTheFilesCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := keep(t, dir, evening)
	for _, path := range []string{b.Path(), b.base() + manifestExt, b.base() + sumsExt} {
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := range whole {
			flip(t, path, i)
			m, err := readManifest(b.base())
			if err == nil {
				err = m.checkDump(b.base())
			}
			damage := new(DamageError)
			require.ErrorAs(t, err, &damage, "byte %d of %s", i, path)
			if path == b.Path() {
				require.Equal(t, filepath.Base(path), damage.File)
			} else {
				require.Contains(t, err.Error(), filepath.Base(path))
			}
			flip(t, path, i)
		}
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-1], 0o600))
		_, err = readManifest(b.base())
		require.Error(t, err, "cut short: %s", path)
		require.NoError(t, os.Remove(path))
		_, err = readManifest(b.base())
		require.EqualError(t, err, filepath.Base(path)+" is damaged: it is missing")
		require.NoError(t, os.WriteFile(path, whole, 0o600))
	}
	found, err := Find(dir, "latest")
	require.NoError(t, err)
	require.Equal(t, b, found)
}

func TestDamageIsListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole, cut, unread := keep(t, dir, evening), keep(t, dir, evening.Add(time.Hour)), keep(t, dir, evening.Add(2*time.Hour))
	flip(t, unread.base()+manifestExt, 20)
	require.NoError(t, os.Truncate(cut.Path(), 3))
	require.NoError(t, checked{At: evening.Add(3 * time.Hour)}.write(whole.base()))

	backups, err := List(dir)
	require.NoError(t, err)
	require.ErrorContains(t, backups[0].Damage, filepath.Base(unread.base()+manifestExt))
	require.ErrorContains(t, backups[1].Damage, filepath.Base(cut.Path()))
	require.NoError(t, backups[2].Damage)
	require.Equal(t, evening.Add(3*time.Hour), backups[2].VerifiedAt)
	newest, err := Newest(dir)
	require.NoError(t, err)
	require.Equal(t, whole.At, newest)

	require.NoError(t, checked{At: evening, Damage: "it does not restore"}.write(whole.base()))
	backups, err = List(dir)
	require.NoError(t, err)
	require.EqualError(t, backups[2].Damage, filepath.Base(whole.Path())+" is damaged: it does not restore")
	require.Zero(t, backups[2].VerifiedAt)
	_, err = Newest(dir)
	require.ErrorIs(t, err, ErrNone)
	_, err = Find(dir, whole.Path())
	require.NoError(t, err, "it may be verified again")
}

func TestPrune(t *testing.T) {
	t.Parallel()
	names := func(backups []Backup) (names []string) {
		for _, b := range backups {
			names = append(names, b.Name)
		}
		return names
	}
	dir := t.TempDir()
	var kept [4]Backup // the newest first
	for i := range kept {
		kept[i] = keep(t, dir, evening.AddDate(0, 0, -i))
	}
	before := kept[1].At // which is not before itself

	pruned, err := Prune(dir, before, true)
	require.NoError(t, err)
	require.Equal(t, []string{kept[2].Name, kept[3].Name}, names(pruned))
	left, err := List(dir)
	require.NoError(t, err)
	require.Len(t, left, 4)

	pruned, err = Prune(dir, before, false)
	require.NoError(t, err)
	require.Equal(t, []string{kept[2].Name, kept[3].Name}, names(pruned))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 6, "three files each of two backups")

	flip(t, kept[0].Path(), 5) // a dump of the right size
	pruned, err = Prune(dir, evening.AddDate(1, 0, 0), false)
	require.NoError(t, err)
	require.Equal(t, []string{kept[0].Name}, names(pruned), "the newest that is whole stays, whatever its age")
	pruned, err = Prune(dir, evening.AddDate(1, 0, 0), false)
	require.NoError(t, err)
	require.Empty(t, pruned)
}
