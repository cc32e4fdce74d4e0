package sms_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/adapters/sms"
	"github.com/tickr/tickr/modules/users/internal/application"
)

const name = "20260501T120000.123456Z-0190a6e0-7c3b-7abc-8def-0123456789ab.txt"

func sample() application.Text {
	return application.Text{
		ID: uuid.MustParse("0190a6e0-7c3b-7abc-8def-0123456789ab"), To: "+21620123456", Code: "908172",
		Time: time.Date(2026, 5, 1, 13, 0, 0, 123_456_000, time.FixedZone("Tunis", 3600)),
	}
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
	dir := filepath.Join(t.TempDir(), "data", "sms")
	f, err := sms.NewFile(dir)
	require.NoError(t, err)
	require.Empty(t, names(t, dir))
	for range 2 { // a message that is sent again replaces its own file
		require.NoError(t, f.Send(t.Context(), sample()))
		require.Equal(t, []string{name}, names(t, dir))
	}
	info, err := os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	raw, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	header, text, found := strings.Cut(string(raw), "\n\n")
	require.True(t, found)
	require.Equal(t, "To: +21620123456", header)
	require.True(t, strings.HasPrefix(text, "908172 is your code at Tickr. It works for 5 minutes."))
	require.LessOrEqual(t, len(text), 160, "one message")
}

func TestFailedSendLeavesNothingAndTellsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := sms.NewFile(dir)
	require.NoError(t, err)
	// A folder in the way of the file cannot be replaced by it.
	require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	err = f.Send(t.Context(), sample())
	require.ErrorContains(t, err, "capture text message")
	require.NotContains(t, err.Error(), sample().To)
	require.NotContains(t, err.Error(), sample().Code)
	require.Equal(t, []string{name}, names(t, dir))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, f.Send(ctx, sample()), context.Canceled)
}

func TestImpossibleFolders(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "sms"), "/proc/sms", "/proc"} {
		_, err := sms.NewFile(dir)
		require.Error(t, err, dir)
		require.NotContains(t, err.Error(), "\n", "one line")
	}
}

func TestOffRefusesForGood(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, sms.Off{}.Send(t.Context(), sample()), application.ErrUndeliverable)
}
