//go:build system

package drill

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/test/program"
)

// operator is the account that PostgreSQL runs as on a server: postgres when root tests.
type operator struct {
	t    *testing.T
	name string
	dir  string // of its own, and its working directory
}

func newOperator(t *testing.T) operator {
	t.Helper()
	o := operator{t: t, dir: program.DataDir(t)}
	require.NoError(t, os.Mkdir(o.dir, 0o700))
	self, err := user.Current()
	require.NoError(t, err)
	o.name = self.Username
	if os.Geteuid() == 0 {
		o.name = "postgres"
		account, err := user.Lookup(o.name)
		require.NoError(t, err)
		uid, err := strconv.Atoi(account.Uid)
		require.NoError(t, err)
		require.NoError(t, os.Chown(o.dir, uid, -1))
	}
	return o
}

// run runs a command line of the shell, and returns its exit code and what it printed.
func (o operator) run(line string) (code int, out string) {
	o.t.Helper()
	args := []string{"sh", "-c", line}
	if os.Geteuid() == 0 {
		args = append([]string{"setpriv", "--reuid=" + o.name, "--regid=" + o.name, "--clear-groups"}, args...)
	}
	cmd := exec.CommandContext(context.WithoutCancel(o.t.Context()), args[0], args[1:]...)
	cmd.Dir, cmd.Env = o.dir, program.Environ()
	text, err := cmd.CombinedOutput()
	require.NotNil(o.t, cmd.ProcessState, "%v", err)
	return cmd.ProcessState.ExitCode(), string(text)
}

func (o operator) must(line string) string {
	o.t.Helper()
	code, out := o.run(line)
	require.Equal(o.t, 0, code, "%s: %s", line, out)
	return out
}

// adapt copies a file of configs/ with what every machine has of its own.
func (o operator) adapt(name, to string, changes ...string) {
	o.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "configs", name))
	require.NoError(o.t, err)
	for i := 0; i < len(changes); i += 2 {
		require.Contains(o.t, string(text), changes[i])
	}
	require.NoError(o.t, os.WriteFile(filepath.Join(o.dir, to), []byte(strings.NewReplacer(changes...).Replace(string(text))), 0o644))
}

// TestServerOfYourOwn sets up a server by configs/ and the runbook, and brings a moment of it back.
func TestServerOfYourOwn(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	require.NoError(t, exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(o.dir, "tickr"), "github.com/tickr/tickr/cmd/tickr").Run())
	bin, err := embedded.Clients(t.Context(), "", 15, "initdb")
	require.NoError(t, err)
	config := filepath.Join(o.dir, "pgbackrest.conf")
	o.must("echo secret > pw; " + bin + "/initdb -D main --auth=scram-sha-256 --encoding=UTF8 --pwfile=pw")
	o.adapt("postgres/tickr.conf", "tickr.conf", "pgbackrest --stanza", "pgbackrest --config="+config+" --stanza", "ssl = on", "ssl = off", "= 2GB", "= 32MB")
	o.adapt("postgres/pg_hba.conf", "main/pg_hba.conf", "postgres   ", o.name+"   ")
	o.adapt("pgbackrest/pgbackrest.conf", "pgbackrest.conf", "/var/lib/pgbackrest", o.dir+"/repo\nlog-path="+o.dir+"\nlock-path="+o.dir+"/lock",
		"REPLACE_ME", "of-this-test", "/var/lib/postgresql/15/main", o.dir+"/main\npg1-socket-path="+o.dir)
	o.must("echo \"include '../tickr.conf'\" >> main/postgresql.conf")
	start := bin + "/pg_ctl -D main -w -l log -o \"-c listen_addresses= -c unix_socket_directories=" + o.dir + "\" start"
	stop := bin + "/pg_ctl -D main -w -m fast stop"
	psql := bin + "/psql -X -q -A -t -v ON_ERROR_STOP=1 -h " + o.dir + " -d postgres -c "
	o.must(start)
	t.Cleanup(func() { o.run(stop) })
	require.Empty(t, strings.TrimSpace(o.must(psql+`"SELECT * FROM pg_file_settings WHERE error IS NOT NULL"`)))
	require.Empty(t, strings.TrimSpace(o.must(psql+`"SELECT * FROM pg_hba_file_rules WHERE error NOT LIKE '%SSL is disabled'"`)))

	o.must("pgbackrest --config=" + config + " --stanza=tickr stanza-create")
	require.Contains(t, o.must("./tickr backup base --config "+config), "base ")
	o.must(psql + `"SELECT pg_sleep(1)"`) // pgBackRest knows whole seconds
	o.must(psql + `"CREATE TABLE notes AS SELECT 'good' AS text"`)
	moment := strings.TrimSpace(o.must(psql + `"SELECT clock_timestamp()"`))
	o.must(psql + `"UPDATE notes SET text = 'bad'"`)
	require.Contains(t, o.must("./tickr backup check --config "+config), "verify   ok, 1 base backups")
	o.must(stop)

	o.must("mv main main.before && mkdir -m 0700 main")
	o.must("pgbackrest --config=" + config + " --stanza=tickr --type=time --target='" + moment + "' --target-action=promote restore")
	o.must(start)
	// Promotion is a moment after the server answers.
	require.Eventually(t, func() bool {
		code, out := o.run(psql + `"SELECT text FROM notes WHERE NOT pg_is_in_recovery()"`)
		return code == 0 && strings.TrimSpace(out) == "good"
	}, program.Patience, 50*time.Millisecond)

	code, out := o.run("rm -r repo/archive && ./tickr backup check --config " + config)
	require.Equal(t, 1, code, out)
}
