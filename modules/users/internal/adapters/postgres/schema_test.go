package postgres_test

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users/internal/adapters/postgres"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/migrate"
)

// Schema holds what siblings, operators and old front ends rely on of the tables.
type Schema struct{ suite.Suite }

func TestSchema(t *testing.T) { suite.Run(t, new(Schema)) }

// lines returns the rows of a query of one text column.
func (s *Schema) lines(db *dbtest.DB, query string) []string {
	rows, err := db.Pool().Query(context.Background(), query)
	s.Require().NoError(err)
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		s.Require().NoError(rows.Scan(&line))
		found = append(found, line)
	}
	s.Require().NoError(rows.Err())
	return found
}

const describeColumns = `SELECT concat_ws(' ', column_name, CASE WHEN data_type = 'character varying' THEN 'varchar(' || character_maximum_length || ')' ELSE data_type END,
	CASE is_nullable WHEN 'NO' THEN 'not null' END, 'default ' || column_default)
	FROM information_schema.columns WHERE table_schema = 'users' AND table_name = 'users' ORDER BY ordinal_position`

const describeConstraints = `SELECT conname || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
	JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'users'
	AND contype <> 'n' ORDER BY 1` // from version 18 on NOT NULL is one, too

const describeIndexes = `SELECT indexdef FROM pg_indexes WHERE schemaname = 'users' ORDER BY indexname`

// first is the first migration alone.
func first() fs.FS {
	all := postgres.Migrations()
	only := fstest.MapFS{}
	for _, name := range []string{"20261101090000_create_users.tx.up.sql", "20261101090000_create_users.tx.down.sql"} {
		text, err := fs.ReadFile(all, name)
		if err != nil {
			panic(err)
		}
		only[name] = &fstest.MapFile{Data: text}
	}
	return only
}

func (s *Schema) TestFirstMigrationIsTheContract() {
	db := dbtest.New(s.T(), first())
	s.Equal([]string{
		"id uuid not null default gen_random_uuid()",
		"email varchar(255) not null",
		"phone varchar(20)",
		"password_hash varchar(255)",
		"first_name varchar(100) not null",
		"last_name varchar(100) not null",
		"role varchar(20) not null default 'PARTICIPANT'::character varying",
		"is_organizer boolean not null default false",
		"email_verified boolean not null default false",
		"phone_verified boolean not null default false",
		"is_active boolean not null default true",
		"last_login_at timestamp without time zone",
		"created_at timestamp without time zone not null default now()",
		"updated_at timestamp without time zone not null default now()",
	}, s.lines(db, describeColumns))
	s.Equal([]string{"PK_users PRIMARY KEY (id)", "UQ_users_email UNIQUE (email)", "UQ_users_phone UNIQUE (phone)"},
		s.lines(db, describeConstraints))
	s.Equal([]string{
		`CREATE UNIQUE INDEX "PK_users" ON users.users USING btree (id)`,
		`CREATE UNIQUE INDEX "UQ_users_email" ON users.users USING btree (email)`,
		`CREATE UNIQUE INDEX "UQ_users_phone" ON users.users USING btree (phone)`,
		`CREATE INDEX idx_users_active_role ON users.users USING btree (is_active, role)`,
		`CREATE INDEX idx_users_created_at ON users.users USING btree (created_at DESC)`,
		`CREATE INDEX idx_users_email ON users.users USING btree (email)`,
		`CREATE INDEX idx_users_phone ON users.users USING btree (phone) WHERE (phone IS NOT NULL)`,
		`CREATE INDEX idx_users_role ON users.users USING btree (role)`,
	}, s.sorted(s.lines(db, describeIndexes)))
}

// TestOneIndexForEachRule: a second index for the same uniqueness costs every insert.
func (s *Schema) TestOneIndexForEachRule() {
	db := dbtest.New(s.T(), postgres.Migrations())
	s.Equal([]string{
		`CREATE UNIQUE INDEX "PK_users" ON users.users USING btree (id)`,
		`CREATE INDEX idx_users_active_role ON users.users USING btree (is_active, role, email_verified, is_organizer)`,
		`CREATE INDEX idx_users_created_at ON users.users USING btree (created_at DESC, id DESC)`,
		`CREATE UNIQUE INDEX idx_users_email ON users.users USING btree (email)`,
		`CREATE INDEX idx_users_last_login ON users.users USING btree (COALESCE(last_login_at, '-infinity'::timestamp without time zone), id)`,
		`CREATE INDEX idx_users_last_name ON users.users USING btree (last_name, id)`,
		`CREATE UNIQUE INDEX idx_users_phone ON users.users USING btree (phone) WHERE (phone IS NOT NULL)`,
		`CREATE INDEX idx_users_role ON users.users USING btree (role, created_at DESC, id DESC)`,
		`CREATE INDEX idx_users_search ON users.users USING gin (lower(((((((('ᛜᛜ'::text || (first_name)::text) || 'ᛜᛜ'::text) || (last_name)::text) || ` +
			`'ᛜᛜ'::text) || (email)::text) || 'ᛜᛜ'::text) || (COALESCE(phone, ''::character varying))::text)) gin_trgm_ops) WITH (gin_pending_list_limit='256')`,
		`CREATE INDEX idx_users_unverified ON users.users USING btree (created_at, id) WHERE ((NOT email_verified) AND is_active AND ` +
			`(password_hash IS NULL) AND ((role)::text = 'PARTICIPANT'::text))`,
	}, s.sorted(s.lines(db, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'users' AND tablename = 'users'")))
}

// sorted puts constraints' indexes first, independent of the collation of the server.
func (*Schema) sorted(definitions []string) []string {
	slices.SortFunc(definitions, func(a, b string) int {
		return strings.Compare(indexName(a), indexName(b))
	})
	return definitions
}

func indexName(definition string) string {
	_, after, _ := strings.Cut(definition, "INDEX ")
	name, _, _ := strings.Cut(after, " ON ")
	return strings.Trim(name, `"`)
}

func (s *Schema) describe(db *dbtest.DB) []string {
	return slices.Concat(s.lines(db, describeColumns), s.lines(db, describeConstraints), s.sorted(s.lines(db, describeIndexes)))
}

func (s *Schema) TestUpDownUp() {
	db := dbtest.Empty(s.T())
	m, err := migrate.New(db.DSN, postgres.Migrations())
	s.Require().NoError(err)
	applied, err := m.Up(s.T().Context())
	s.Require().NoError(err)
	before := s.describe(db)
	for range applied {
		_, err := m.Down(s.T().Context())
		s.Require().NoError(err)
	}
	s.Empty(s.lines(db, "SELECT nspname FROM pg_namespace WHERE nspname = 'users'"))
	_, err = m.Up(s.T().Context())
	s.Require().NoError(err)
	s.Equal(before, s.describe(db))
}

// TestMigrationsCanBeRepeated: a crash may come between a migration and its entry in the history.
func (s *Schema) TestMigrationsCanBeRepeated() {
	db := dbtest.New(s.T(), postgres.Migrations())
	before := s.describe(db)
	_, err := db.Pool().Exec(context.Background(), "TRUNCATE public.bun_migrations")
	s.Require().NoError(err)
	m, err := migrate.New(db.DSN, postgres.Migrations())
	s.Require().NoError(err)
	applied, err := m.Up(s.T().Context())
	s.Require().NoError(err)
	s.NotEmpty(applied)
	s.Equal(before, s.describe(db))
}

func (s *Schema) TestDatabaseChecksRoles() {
	db := dbtest.New(s.T(), postgres.Migrations())
	_, err := db.Pool().Exec(context.Background(),
		"INSERT INTO users.users (email, first_name, last_name, role) VALUES ('a@example.com', 'A', 'B', 'OWNER')")
	s.ErrorContains(err, "CK_users_role")
}

// TestTimesAreUTC: the columns have no zone, so every session must be in UTC wherever the server is.
func (s *Schema) TestTimesAreUTC() {
	db := dbtest.New(s.T(), postgres.Migrations())
	_, err := db.Pool().Exec(context.Background(), `ALTER DATABASE "`+db.Name+`" SET timezone = 'America/New_York'`)
	s.Require().NoError(err)
	db.Pool().Reset()
	id := uuid.New()
	_, err = db.Pool().Exec(context.Background(),
		"INSERT INTO users.users (id, email, first_name, last_name) VALUES ('"+id.String()+"', 'utc@example.com', 'A', 'B')")
	s.Require().NoError(err)
	var apart float64
	s.Require().NoError(db.Pool().QueryRow(context.Background(),
		"SELECT extract(epoch FROM (now() AT TIME ZONE 'UTC') - created_at) FROM users.users").Scan(&apart))
	s.InDelta(0, apart, 60)
	u, err := postgres.NewRepositories(db).Users.ByID(s.T().Context(), id)
	s.Require().NoError(err)
	s.Equal("UTC", u.View().CreatedAt.Location().String())
}
