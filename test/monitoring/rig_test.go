package monitoring

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/test/program"
)

// rig is the program at the end of a link to a PostgreSQL of its own, which archives, has a replication slot and a receiver.
type rig struct {
	*program.Program
	t       *testing.T
	db      *database.Handle // past the link
	link    *toxiproxy.Proxy
	metrics string // URL
}

func newRig(t *testing.T) *rig {
	t.Helper()
	server, err := embedded.Serve(t.Context(), embedded.Options{
		DataDir: program.DataDir(t), BinDir: os.Getenv("PG_BIN_DIR"), Database: "tickr",
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	r := &rig{t: t}
	r.db, err = database.Open(t.Context(), database.Options{
		DSN: server.DSN(), PoolSize: 2, ConnectTimeout: program.Patience, IdleTimeout: program.Patience, ApplicationName: "monitoring",
	})
	require.NoError(t, err)
	t.Cleanup(r.db.Close)
	r.exec("ALTER SYSTEM SET archive_mode = 'on'")
	r.archiveBy("true")
	r.restart(filepath.Join(server.DataDir(), "postmaster.pid"))
	r.receive(server.DSN())

	address, err := url.Parse(server.DSN())
	require.NoError(t, err)
	r.link = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "postgres", "127.0.0.1:0", address.Host)
	require.NoError(t, r.link.Start())
	t.Cleanup(r.link.Stop)
	address.Host = r.link.Listen

	r.Program = program.Start(t, append(program.Standard(t, address.String()), "RATE_LIMITS=off")...)
	printed := regexp.MustCompile(`Metrics +(http://\S+/metrics)\n`)
	r.Await("the welcome", func() bool { return printed.MatchString(r.Out.String()) })
	r.metrics = printed.FindStringSubmatch(r.Out.String())[1]
	return r
}

func (r *rig) exec(sql string) {
	r.t.Helper()
	_, err := r.db.Pool().Exec(r.t.Context(), sql)
	require.NoError(r.t, err)
}

// archiveBy makes PostgreSQL archive by a shell command from now on.
func (r *rig) archiveBy(command string) {
	r.t.Helper()
	r.exec("ALTER SYSTEM SET archive_command = '" + command + "'")
	r.exec("SELECT pg_reload_conf()")
}

// restart ends PostgreSQL, and returns when its keeper has started another one.
func (r *rig) restart(pidFile string) {
	r.t.Helper()
	first, _, _ := strings.Cut(string(read(r.t, pidFile)), "\n")
	pid, err := strconv.Atoi(first)
	require.NoError(r.t, err)
	require.NoError(r.t, syscall.Kill(pid, syscall.SIGINT))
	require.Eventually(r.t, func() bool {
		var on bool
		err := r.db.Pool().QueryRow(r.t.Context(), "SELECT current_setting('archive_mode') = 'on'").Scan(&on)
		return err == nil && on
	}, program.Patience, 20*time.Millisecond, "PostgreSQL does not come back")
}

// receive reads WAL through a slot, as pg_receivewal does, and says that it has stored what there is now.
func (r *rig) receive(dsn string) {
	r.t.Helper()
	ctx := r.t.Context()
	r.exec("SELECT pg_create_physical_replication_slot('receiver', true)")
	var at uint64
	require.NoError(r.t, r.db.Pool().QueryRow(ctx, "SELECT (pg_current_wal_lsn() - '0/0')::bigint").Scan(&at))
	config, err := pgconn.ParseConfig(dsn)
	require.NoError(r.t, err)
	config.RuntimeParams["replication"], config.RuntimeParams["application_name"] = "true", "receiver"
	conn, err := pgconn.ConnectConfig(ctx, config)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(ctx)) })

	conn.Frontend().SendQuery(&pgproto3.Query{
		String: "START_REPLICATION SLOT receiver PHYSICAL " + strconv.FormatUint(at>>32, 16) + "/" + strconv.FormatUint(at&0xffff_ffff, 16),
	})
	require.NoError(r.t, conn.Frontend().Flush())
	answer, err := conn.ReceiveMessage(ctx)
	require.NoError(r.t, err)
	require.IsType(r.t, &pgproto3.CopyBothResponse{}, answer)
	status := []byte{'r'}
	for _, position := range []uint64{at, at, at, 0} { // written, stored, applied, and a time
		status = binary.BigEndian.AppendUint64(status, position)
	}
	conn.Frontend().Send(&pgproto3.CopyData{Data: append(status, 0)})
	require.NoError(r.t, conn.Frontend().Flush())
}

// ask sends a request with a JSON body and returns its status and body.
func (r *rig) ask(method, path, body, token string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.API+path, strings.NewReader(body))
	require.NoError(r.t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(r.t, err)
	return answer.StatusCode, string(text)
}

// What tell tells, and no label may repeat.
var canaries = []string{"canary", "20999888", program.AdminEmail, "made-up"}

// tell makes requests of every kind that is counted.
func (r *rig) tell() {
	r.t.Helper()
	login := func(password string) (int, string) {
		return r.ask("POST", "/api/auth/login", `{"email":"`+program.AdminEmail+`","password":"`+password+`"}`, "")
	}
	status, _ := login("canary of a wrong password")
	require.Equal(r.t, http.StatusUnauthorized, status)
	status, body := login(program.AdminPassword)
	require.Equal(r.t, http.StatusOK, status, body)
	token := regexp.MustCompile(`"accessToken":"([^"]+)"`).FindStringSubmatch(body)[1]
	for range 3 {
		status, body = r.ask("GET", "/api/users/me", "", token)
		require.Equal(r.t, http.StatusOK, status, body)
	}
	status, body = r.ask("POST", "/api/auth/register",
		`{"email":"canary@example.com","password":"parasol-meadow-granite","firstName":"Canary","lastName":"Canary","phone":"20 999 888"}`, "")
	require.Equal(r.t, http.StatusAccepted, status, body)
	status, _ = r.ask("MADEUP", "/made-up/canary?email=canary@example.com", "", "")
	require.GreaterOrEqual(r.t, status, http.StatusNotFound)
}

// scrape returns what is exposed, by name, and as text.
func (r *rig) scrape() (map[string]*dto.MetricFamily, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.metrics, nil)
	require.NoError(r.t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(r.t, err)
	defer answer.Body.Close()
	require.Equal(r.t, http.StatusOK, answer.StatusCode)
	text, err := io.ReadAll(answer.Body)
	require.NoError(r.t, err)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	require.NoError(r.t, err)
	return families, string(text)
}

// shows reports whether a line of the exposition is there.
func (r *rig) shows(line string) bool {
	r.t.Helper()
	_, text := r.scrape()
	return strings.Contains(text, "\n"+line+"\n")
}
