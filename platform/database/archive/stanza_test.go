package archive

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// install makes pgbackrest a shell script for the test.
func install(t *testing.T, script string) Stanza {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pgbackrest"), []byte("#!/bin/sh\n"+script), 0o700))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return Configured("/etc/somewhere.conf", "main")
}

func TestMissingProgramIsNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Configured("", "main").Verify(t.Context())
	require.ErrorIs(t, err, ErrNotInstalled)
	require.ErrorContains(t, err, "Debian's package pgbackrest")
}

func TestFailureQuotesTheProgram(t *testing.T) {
	s := install(t, `echo "$@"; echo 'ERROR: [082]: WAL segment was not archived' >&2; exit 82`)
	require.EqualError(t, s.Check(t.Context()), "pgbackrest check: exit status 82: ERROR: [082]: WAL segment was not archived")
}

func TestArguments(t *testing.T) {
	s := install(t, `echo "$@"`)
	out, err := s.run(t.Context(), "check", "--more")
	require.NoError(t, err)
	require.Equal(t, "check --stanza=main --log-level-console=off --log-level-stderr=error --config=/etc/somewhere.conf --more\n", out)
}

// TestVerifyReadsTheReport: pgBackRest 2.45 ends with 0 whatever it has found.
func TestVerifyReadsTheReport(t *testing.T) {
	const fine = `stanza: tickr
status: ok
  archiveId: 15-1, total WAL checked: 5, total valid WAL: 5
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  archiveId: 15-2, total WAL checked: 2, total valid WAL: 2
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261123-192540F, status: valid, total files checked: 965, total valid files: 965
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
`
	verified, err := install(t, "cat <<'E'\n"+fine+"E\n").Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, Verified{Bases: 1, Files: 965, Segments: 7}, verified)

	for name, report := range map[string]string{
		"flipped byte of a backup": "stanza: tickr\nstatus: error\n  backup: 20261123-192540F, status: invalid, total files checked: 965, total valid files: 964\n    checksum invalid: 1\n",
		"flipped byte of WAL":      "stanza: tickr\nstatus: error\n  archiveId: 15-1, total WAL checked: 4, total valid WAL: 3\n    other: 1\n",
		"missing WAL":              "stanza: tickr\nstatus: ok\n  archiveId: 15-1, total WAL checked: 4, total valid WAL: 4\n    missing: 1, checksum invalid: 0\n",
		"no repository":            "stanza: tickr\nstatus: error\n  No usable archive.info file\n",
		"nothing":                  "",
	} {
		_, err := install(t, "cat <<'E'\n"+report+"E\n").Verify(t.Context())
		require.ErrorContains(t, err, "the repository is damaged", name)
	}
}

func TestBases(t *testing.T) {
	s := install(t, `cat <<'E'
[{"backup":[
 {"error":false,"info":{"delta":23000522,"repository":{"delta":3503884,"size":3503884},"size":23000522},"label":"20261123-192540F","prior":null,"timestamp":{"start":1795461940,"stop":1795461943},"type":"full"},
 {"error":false,"info":{"delta":8192,"repository":{"delta":24,"size":3503884},"size":23000522},"label":"20261123-192540F_20261123-193000I","prior":"20261123-192540F","timestamp":{"start":1795462200,"stop":1795462201},"type":"incr"}
],"name":"tickr","status":{"code":0,"message":"ok"}}]
E
`)
	bases, err := s.Bases(t.Context())
	require.NoError(t, err)
	full := Base{
		Label: "20261123-192540F", Kind: Full, Size: 23000522, Stored: 3503884,
		Start: time.Date(2026, 11, 23, 19, 25, 40, 0, time.UTC), Stop: time.Date(2026, 11, 23, 19, 25, 43, 0, time.UTC),
	}
	require.Len(t, bases, 2)
	require.Equal(t, full, bases[0])
	require.Equal(t, Incremental, bases[1].Kind)

	for moment, want := range map[time.Time]string{
		{}:                       bases[1].Label,
		bases[1].Since():         bases[1].Label,
		bases[1].Since().Add(-1): bases[0].Label,
		bases[0].Since():         bases[0].Label,
	} {
		label, err := before(bases, moment)
		require.NoError(t, err)
		require.Equal(t, want, label)
	}
	_, err = before(bases, bases[0].Since().Add(-1))
	require.ErrorContains(t, err, "2026-11-23T19:25:44Z")
	_, err = before(nil, time.Time{})
	require.ErrorContains(t, err, "no base backup")
}
