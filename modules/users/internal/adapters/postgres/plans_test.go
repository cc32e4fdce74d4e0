package postgres_test

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/inspect"
)

// crowd is 100,000 accounts as they are spread: three quarters are active participants, one in twenty organizes, one in a thousand
// is an administrator. They registered evenly through a year. VACUUM marks a page as visible to all, which is what lets an index answer
// alone, only once the commits on it are written, and while nobody else looks at the table.
const crowd = `
	SET synchronous_commit = on;
	ALTER TABLE users.users SET (autovacuum_enabled = off);
	INSERT INTO users.users (id, email, phone, password_hash, first_name, last_name, role, is_organizer, email_verified, phone_verified,
		is_active, created_at, updated_at)
	SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'user' || i || '@example.com',
		CASE WHEN i % 3 = 0 THEN '+2162' || lpad(i::text, 7, '0') END, CASE WHEN i % 10 <> 0 THEN rpad('$argon2id$', 97, md5(i::text)) END, 'First' || i % 500, 'Last' || i % 900,
		CASE WHEN i % 1000 = 0 THEN 'ADMIN' WHEN i % 20 = 1 THEN 'ORGANIZER' ELSE 'PARTICIPANT' END,
		i % 20 = 1, i % 10 <> 0 OR i % 1000 = 0, i % 6 = 0, i % 5 <> 2, $1::timestamp - (100000 - i) * interval '315 seconds', $1
	FROM generate_series(1, 100000) i;
	INSERT INTO users.sessions (id, user_id, token_hash, created_at, expires_at, ended_at)
	SELECT gen_random_uuid(), id, sha256(id::text::bytea), created_at, created_at + interval '30 days', CASE WHEN is_active THEN created_at END
	FROM users.users WHERE phone IS NOT NULL;
	INSERT INTO users.registrations (id, user_id, token_hash, password_hash, first_name, last_name, created_at, expires_at)
	SELECT gen_random_uuid(), id, sha256((id || '/' || n)::bytea), 'hash', first_name, last_name, created_at, created_at + interval '1 day'
	FROM users.users, generate_series(1, 2) n WHERE NOT email_verified;
	INSERT INTO users.one_time_tokens (user_id, purpose, token_hash, email, created_at, expires_at)
	SELECT id, purpose, sha256((id || purpose)::bytea), email, created_at, $1::timestamp + CASE last_name WHEN 'Last0' THEN -1 ELSE 1 END * interval '1 hour'
	FROM users.users, unnest(ARRAY['reset_password', 'accept_invitation', 'confirm_email', 'verify_phone']) purpose WHERE NOT email_verified;
	INSERT INTO users.outbox (id, kind, user_id, created_at, due_at)
	SELECT gen_random_uuid(), 'verify_email', id, created_at, created_at FROM users.users WHERE NOT email_verified;
	INSERT INTO users.outbox (id, kind, subject_id, sender, created_at)
	SELECT gen_random_uuid(), 'user_changed', id, id, created_at FROM users.users WHERE role = 'ADMIN';
	INSERT INTO users.outbox (id, kind, user_id, created_at, due_at, dead_at)
	SELECT gen_random_uuid(), 'verify_email', id, created_at, created_at, created_at FROM users.users WHERE role = 'ADMIN';
	INSERT INTO users.audit_log (id, created_at, act, subject_id, outcome, details)
	SELECT gen_random_uuid(), created_at, 'login', id, 'success', '{}' FROM users.users WHERE phone IS NOT NULL;
	INSERT INTO users.throttles (key, used, most, resets_at) SELECT md5(i::text), i % 6, 5, $1::timestamp + (i - 100) * interval '1 second' FROM generate_series(1, 100000) i;
	INSERT INTO users.trusted_origins (key, until) SELECT md5(i::text), $1::timestamp + (i - 100) * interval '1 second' FROM generate_series(1, 100000) i`

// Plans holds every statement of the catalogue to the indexes it names, on a crowd.
type Plans struct {
	suite.Suite

	db   *dbtest.DB
	conn *pgx.Conn
	now  time.Time
}

func TestPlans(t *testing.T) { suite.Run(t, new(Plans)) }

func (s *Plans) SetupSuite() {
	db := dbtest.New(s.T(), postgres.Migrations())
	s.now = time.Now().UTC().Truncate(time.Microsecond)
	// A connection of its own: filling takes longer than the pool allows a statement.
	conn, err := pgx.Connect(s.T().Context(), db.DSN)
	s.Require().NoError(err)
	s.T().Cleanup(func() { _ = conn.Close(context.Background()) })
	for statement := range strings.SplitSeq(crowd, ";") {
		var args []any
		if strings.Contains(statement, "$1") {
			args = []any{s.now}
		}
		_, err := conn.Exec(s.T().Context(), statement, args...)
		s.Require().NoError(err)
	}
	_, err = conn.Exec(s.T().Context(),
		"VACUUM (ANALYZE) users.users, users.sessions, users.registrations, users.one_time_tokens, users.outbox, users.audit_log,"+
			"users.throttles, users.trusted_origins")
	s.Require().NoError(err)
	var marked bool
	s.Require().NoError(conn.QueryRow(s.T().Context(),
		"SELECT relallvisible = relpages FROM pg_class WHERE oid = 'users.users'::regclass").Scan(&marked))
	s.Require().True(marked, "VACUUM found rows that are not visible to all: the plans would differ")
	s.db, s.conn = db, conn
}

// node is a step of a plan, as EXPLAIN (FORMAT JSON) prints it.
type node struct {
	Type     string `json:"Node Type"`
	Index    string `json:"Index Name"`
	Relation string `json:"Relation Name"`
	Plans    []node
}

// scans returns the indexes of a plan, and a table that is read from end to end as "all of" it.
func (n node) scans() []string {
	var found []string
	switch {
	case n.Index != "":
		found = append(found, n.Index)
	case n.Type == "Seq Scan":
		found = append(found, "all of "+n.Relation)
	}
	for _, child := range n.Plans {
		found = append(found, child.scans()...)
	}
	return found
}

// explain returns what the plan of a text scans.
func (s *Plans) explain(text string, args ...any) []string {
	// Described first, so that parameters have the types that a prepared statement gives them.
	args = append([]any{pgx.QueryExecModeDescribeExec}, args...)
	var raw []byte
	s.Require().NoError(s.conn.QueryRow(s.T().Context(), "EXPLAIN (FORMAT JSON) "+text, args...).Scan(&raw), text)
	var plans []struct{ Plan node }
	s.Require().NoError(json.Unmarshal(raw, &plans))
	scans := plans[0].Plan.scans()
	for i, index := range scans { // of a partition: that of the whole table
		s.Require().NoError(s.conn.QueryRow(s.T().Context(), `SELECT coalesce(min(root.relname), $1) FROM pg_class c
			JOIN pg_class root ON root.oid = pg_partition_root(c.oid) WHERE c.relname = $1`, index).Scan(&scans[i]))
	}
	return scans
}

// explainGeneric is explain for the plan that a prepared statement gets when it has run a few times: the same for all arguments.
func (s *Plans) explainGeneric(query inspect.Query) []string {
	exec := func(text string) {
		_, err := s.conn.Exec(s.T().Context(), text)
		s.Require().NoError(err, text)
	}
	exec("SET plan_cache_mode = force_generic_plan")
	exec("PREPARE catalogued AS " + query.SQL)
	defer exec("DEALLOCATE catalogued")
	defer exec("RESET plan_cache_mode")
	return s.explain("EXECUTE catalogued (NULL" + strings.Repeat(", NULL", len(query.Args)-1) + ")")
}

func (s *Plans) TestIndexesServe() {
	for _, statement := range postgres.Catalogue(postgres.Example(s.now)) {
		s.Run(statement.Name, func() {
			s.Require().NotEqual(statement.Indexes == nil, statement.Reason == "", "name the indexes that serve it, or the reason why none does")
			s.Require().NotEmpty(statement.Purpose)
			s.Require().NotEmpty(statement.Queries)
			for _, query := range statement.Queries {
				plans := [][]string{s.explain(query.SQL, query.Args...)}
				if len(query.Args) > 0 {
					plans = append(plans, s.explainGeneric(query))
				}
				if statement.Reason != "" {
					continue
				}
				_, shape, _ := strings.Cut(query.SQL, " FROM ")
				for _, scans := range plans {
					s.NotEmpty(scans, shape)
					s.Subset(statement.Indexes, scans, shape)
				}
			}
		})
	}
}

// TestArgumentsAreThoseOfRows: on a crowd, each statement that looks for rows by an index finds some. What finds none explains nothing.
func (s *Plans) TestArgumentsAreThoseOfRows() {
	sample, err := postgres.ReadSample(s.T().Context(), s.db, uuid.New(), s.now)
	s.Require().NoError(err)
	for _, statement := range postgres.Catalogue(sample) {
		statement.Queries = statement.Queries[:1]
		explained, err := inspect.Explain(s.T().Context(), s.db.Handle, []inspect.Statement{statement})
		s.Require().NoError(err)
		first := explained[0]
		if statement.Reason != "" {
			s.Equal(inspect.NoneMeant, first.Verdict, "%s: %s", statement.Name, first.Note)
			continue
		}
		s.Contains([]inspect.Verdict{inspect.Served, inspect.SmallTable}, first.Verdict, "%s: %s", statement.Name, first.Note)
		s.True(first.Found(), "%s finds no row: take its arguments from Sample, and give the crowd rows of its table", statement.Name)
	}
}

// TestSearchIsCountedSoFar: of the many that a search finds, no more are read.
func (s *Plans) TestSearchIsCountedSoFar() {
	repository := postgres.NewRepositories(s.db.Handle)
	for want, f := range map[int64]application.Filter{
		100_000:              {},
		application.MaxFound: {Search: domain.Search{{Text: "user"}}},
		10:                   {Search: domain.Search{{Text: "user"}, {Text: "7777@"}}},
	} {
		n, err := repository.Users.Count(s.T().Context(), f)
		s.Require().NoError(err)
		s.Equal(want, n)
	}
}

// TestTheTestSees a missing index, an unused one and a table that is read from end to end.
func (s *Plans) TestTheTestSees() {
	s.Equal([]string{"PK_users"}, s.explain("SELECT email FROM users.users WHERE id = $1", "00000000-0000-7000-8000-000000000001"))
	s.Equal([]string{"all of users"}, s.explain("SELECT email FROM users.users WHERE first_name = 'First1'"))
	s.Equal([]string{"all of users"}, s.explainGeneric(inspect.Query{SQL: "SELECT email FROM users.users WHERE first_name = $1", Args: []any{"x"}}))
	s.Empty(s.explain("SELECT 1"))
}

// TestCatalogueIsComplete compares it with the methods that there are.
func TestCatalogueIsComplete(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, statement := range postgres.Catalogue(postgres.Example(time.Now())) {
		method, _, _ := strings.Cut(statement.Name, " ")
		names[method] = true
	}
	for repository := range reflect.TypeFor[postgres.Repositories]().Fields() {
		for method := range repository.Type.Methods() {
			require.True(t, names[repository.Name+"."+method.Name], "%s.%s is not in the catalogue", repository.Name, method.Name)
			delete(names, repository.Name+"."+method.Name)
		}
	}
	require.Empty(t, names, "statements of methods that there are not")
}

// TestConstantReadsKnowEveryColumn compares the columns that are written with those that are read.
func TestConstantReadsKnowEveryColumn(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, statement := range postgres.Catalogue(postgres.Example(time.Now())) {
		texts[statement.Name] = statement.Queries[0].SQL
	}
	columns := func(text, from, to string) []string {
		_, text, _ = strings.Cut(text, from)
		text, _, _ = strings.Cut(text, to)
		return slices.Sorted(strings.SplitSeq(strings.NewReplacer(`"`, "", " ", "").Replace(text), ","))
	}
	user := columns(texts["Users.Insert"], "(", ")")
	require.Equal(t, user, columns(texts["Users.ByID"], "SELECT ", " FROM"))
	require.Equal(t, user, columns(texts["Users.ByEmail"], "SELECT ", " FROM"))
	require.NotContains(t, texts["Users.ByIDs"], "password_hash")
	require.Len(t, columns(texts["Users.ByIDs"], "SELECT ", " FROM"), len(user)-1)
	require.Equal(t, columns(texts["Sessions.Insert"], "(", ")"), columns(texts["Sessions.ByID"], "SELECT ", " FROM"))
}
