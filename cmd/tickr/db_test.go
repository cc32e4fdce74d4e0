package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/inspect"
)

// command is what a command of the program does over one database.
type command func(t *testing.T, input, line string) (code int, out, errOut string)

func over(t *testing.T, dsn string) command {
	t.Helper()
	environ(t, "DATABASE_URL="+dsn, "DATA_DIR="+t.TempDir())
	return func(t *testing.T, input, line string) (code int, out, errOut string) {
		t.Helper()
		var said, complained bytes.Buffer
		code = run(t.Context(), strings.Fields(line), strings.NewReader(input), &said, &complained)
		return code, said.String(), complained.String()
	}
}

func TestDBExplain(t *testing.T) {
	db := dbtest.Empty(t)
	tickr := over(t, db.DSN)
	code, out, said := tickr(t, "", "db explain")
	require.Zero(t, code, "without any data: %s", said)
	require.Regexp(t, `Sessions\.Insert +no data`, out)

	code, _, said = tickr(t, "amber-lighthouse-cello", "users create-admin --email canary@example.com --first-name Canary")
	require.Zero(t, code, said)
	code, out, said = tickr(t, "", "db explain")
	require.Zero(t, code, said)
	require.Contains(t, out, "Users.ByID, text 1: mail an account\n  Index Scan using PK_users on users.users: 1 rows")
	require.Regexp(t, `\nUsers\.ByEmail +ok +idx_users_email +\d`, out)
	require.Regexp(t, `\nSessions\.Insert +none meant `, out)
	require.Regexp(t, ` 0 without data, 0 missed, 0 failed\n$`, out)
	require.NotContains(t, strings.ToLower(out), "canary", "arguments are addresses")

	explained := func(line string) (names map[string]int) {
		code, out, said := tickr(t, "", line)
		require.Zero(t, code, said)
		var answer struct{ Statements []inspect.Explanation }
		require.NoError(t, json.Unmarshal([]byte(out), &answer))
		names = map[string]int{}
		for _, e := range answer.Statements {
			names[e.Name]++
			require.Equal(t, names[e.Name], e.Text)
			require.NotNil(t, e.Plan, e.Name)
		}
		return names
	}
	require.Equal(t, map[string]int{"Users.Count": 1, "Users.Count of a search": 1, "Users.Count since a time": 1, "Users.Count until a time": 1}, explained("db explain users.count --json"))
	require.Equal(t, map[string]int{"Outbox.Bury": 1, "Users.Save": 24}, explained("db explain Users.Save Outbox.Bu --all --json"))

	code, _, said = tickr(t, "", "db explain Users.ByID nonsense")
	require.Equal(t, 2, code)
	require.Equal(t, "tickr: usage: no statement is called nonsense\n", said)
}

func TestMissingIndexIsTold(t *testing.T) {
	db := dbtest.Empty(t)
	tickr := over(t, db.DSN)
	code, out, said := tickr(t, "", "db indexes")
	require.Zero(t, code, said)
	require.Regexp(t, `users\.users +idx_users_phone .* unique +btree \(phone\) WHERE \(phone IS NOT NULL\)\n`, out)
	require.Regexp(t, `\nunused +users\.users +idx_users_active_role +no scan since \d{4}-`, out)

	_, err := db.Pool().Exec(t.Context(), "DROP INDEX users.idx_users_phone")
	require.NoError(t, err)
	code, out, said = tickr(t, "", "db indexes")
	require.Equal(t, 1, code)
	require.Equal(t, "tickr: absent or invalid: idx_users_phone\n", said)
	require.Regexp(t, `\nabsent +- +idx_users_phone +is meant to serve Users\.ByPhone\n`, out)
	code, out, _ = tickr(t, "", "db indexes --json")
	require.Equal(t, 1, code)
	var report inspect.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Contains(t, report.Findings, inspect.Finding{Kind: inspect.Absent, Index: "idx_users_phone", Detail: "is meant to serve Users.ByPhone"})

	code, out, said = tickr(t, "", "db explain Users")
	require.Equal(t, 1, code)
	require.Equal(t, "tickr: not served as meant: Users.ByPhone, Users.LockByPhone\n", said)
	require.Regexp(t, `\nUsers\.LockByPhone +missed .* idx_users_phone does not exist or is not valid`, out)
}
