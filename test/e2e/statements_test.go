package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/modules/users/usersfx"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/embedded"
	"github.com/tickr/tickr/test/program"
)

// Statements is the story once more, over a PostgreSQL that notes what it is asked.
type Statements struct {
	Story

	data   string // folder of the server
	server *embedded.Server
	db     *database.Handle
}

func TestStatements(t *testing.T) { suite.Run(t, new(Statements)) }

func (s *Statements) SetupSuite() {
	s.env = private(program.DataDir(s.T()))
	// The first start makes the cluster and its schema; the second one is noted.
	first := start(s.T(), s.env...)
	_, s.data = postmaster(s.T(), first)
	s.Require().Equal(0, first.Stop(syscall.SIGTERM))
	settings, err := os.OpenFile(filepath.Join(s.data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	s.Require().NoError(err)
	_, err = settings.WriteString("\nshared_preload_libraries = 'pg_stat_statements'\n")
	s.Require().NoError(err)
	s.Require().NoError(settings.Close())
	s.tickr = start(s.T(), s.env...)

	s.server, err = embedded.Attach(s.T().Context(), embedded.Options{DataDir: value(s.env, "DATA_DIR"), Database: "tickr"})
	s.Require().NoError(err)
	s.db, err = database.Open(s.T().Context(), database.Options{
		DSN: s.server.DSN(), PoolSize: 1, ConnectTimeout: program.Patience, IdleTimeout: time.Minute, ApplicationName: "statements",
	})
	s.Require().NoError(err)
	_, err = s.db.Pool().Exec(s.T().Context(), "CREATE EXTENSION pg_stat_statements")
	s.Require().NoError(err, "the contrib modules of PostgreSQL are needed")
}

// ofUsers matches a statement on a table of the module.
var ofUsers = regexp.MustCompile(`\busers"?\."?\w`)

// TearDownSuite compares what was asked with the catalogue. The server itself says which texts are one statement.
func (s *Statements) TearDownSuite() {
	defer s.stop()
	rows, err := s.db.Pool().Query(s.T().Context(), `SELECT queryid, query FROM pg_stat_statements
		WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	s.Require().NoError(err)
	defer rows.Close()
	asked := map[int64]string{}
	for rows.Next() {
		var id int64
		var text string
		s.Require().NoError(rows.Scan(&id, &text))
		if ofUsers.MatchString(text) {
			asked[id] = text
		}
	}
	s.Require().NoError(rows.Err())

	var heard int
	for _, statement := range usersfx.Statements() {
		for _, query := range statement.Queries {
			id := s.identify(query.SQL, query.Args...)
			if _, ok := asked[id]; ok {
				heard++
				delete(asked, id)
			}
		}
	}
	s.Empty(asked, "statements that the catalogue does not know")
	s.Greater(heard, 25, "the story asks for little: what it does not ask for is not compared")
}

func (s *Statements) stop() {
	s.db.Close()
	s.NoError(s.server.Stop())
	s.Equal(0, s.tickr.Stop(syscall.SIGTERM))
	s.NoError(os.RemoveAll(filepath.Dir(s.data)), "as root the data is not below DATA_DIR")
}

// identify returns what the server knows a text by, whatever its constants are.
func (s *Statements) identify(text string, args ...any) int64 {
	var raw []byte
	s.Require().NoError(s.db.Pool().QueryRow(s.T().Context(), "EXPLAIN (VERBOSE, FORMAT JSON) "+text, args...).Scan(&raw), text)
	var plans []struct {
		ID int64 `json:"Query Identifier"`
	}
	s.Require().NoError(json.Unmarshal(raw, &plans))
	s.Require().NotZero(plans[0].ID, text)
	return plans[0].ID
}
