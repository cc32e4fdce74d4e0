package mail

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/application"
)

func options(dir string) Options {
	return Options{Dir: dir, From: "Tickr <no-reply@tickr.example>", PublicURL: publicURL}
}

// names lists everything in a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	all := make([]string, len(entries))
	for i, entry := range entries {
		all[i] = entry.Name()
	}
	return all
}

func TestSendWritesOneFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data", "mail")
	f, err := NewFile(options(dir))
	require.NoError(t, err)
	require.Empty(t, names(t, dir))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	const name = "20260501T120000.123456Z-0190a6e0-7c3b-7abc-8def-0123456789ab.eml"
	m := sample(application.MailVerifyEmail)
	require.NoError(t, f.Send(t.Context(), m))
	require.Equal(t, []string{name}, names(t, dir))
	info, err = os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	m.Token = "another"
	require.NoError(t, f.Send(t.Context(), m))
	require.Equal(t, []string{name}, names(t, dir), "a mail that is sent again replaces its own file")
	raw, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	header, body := read(t, raw)
	require.Equal(t, "<ana@example.org>", header.Get("To"))
	require.Contains(t, body, "token=another")
}

// Whoever watches the folder sees whole messages only.
func TestFilesAppearWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := NewFile(options(dir))
	require.NoError(t, err)
	ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}

	var writers sync.WaitGroup
	defer writers.Wait()
	for _, id := range ids {
		for range 2 { // two instances may send the same mail
			writers.Go(func() {
				m := sample(application.MailVerifyEmail)
				m.ID = id
				for i := range 40 {
					m.Token = strings.Repeat("a", 1+i*997)
					if err := f.Send(context.Background(), m); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		paths, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
		require.NoError(t, err)
		for _, path := range paths {
			require.Equal(t, ".eml", filepath.Ext(path))
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(string(raw), "nobody can use the account.\n"))
		}
	}
	require.Len(t, names(t, dir), len(ids), "nothing else is left")
}

func TestFailedSendLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := NewFile(options(dir))
	require.NoError(t, err)
	m := sample(application.MailVerifyEmail)
	// A folder in the way of the file cannot be replaced by it.
	inTheWay := "20260501T120000.123456Z-" + m.ID.String() + ".eml"
	require.NoError(t, os.Mkdir(filepath.Join(dir, inTheWay), 0o700))

	err = f.Send(t.Context(), m)
	require.ErrorContains(t, err, "capture mail")
	require.NotContains(t, err.Error(), m.To)
	require.NotContains(t, err.Error(), m.Token)
	require.Equal(t, []string{inTheWay}, names(t, dir))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Send(ctx, sample(application.MailVerifyEmail)), context.Canceled)
}

func TestImpossibleOptions(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "mail"), "/proc/mail", "/proc"} {
		_, err := NewFile(options(dir))
		require.Error(t, err, dir)
		require.NotContains(t, err.Error(), "\n", "one line")
	}
	o := options(t.TempDir())
	o.From = "nobody"
	_, err := NewFile(o)
	require.Error(t, err)
}
