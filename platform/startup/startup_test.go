package startup_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/platform/startup"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// patience bounds every wait: an upper bound, never an expectation.
const patience = 30 * time.Second

var notes = migration("CREATE TABLE notes (text text);")

func migration(up string) fs.FS {
	return fstest.MapFS{
		"20260101000000_create_notes.tx.up.sql":   {Data: []byte(up)},
		"20260101000000_create_notes.tx.down.sql": {Data: []byte("DROP TABLE notes;")},
	}
}

type Startup struct {
	suite.Suite

	db *dbtest.DB
}

func TestStartup(t *testing.T) { suite.Run(t, new(Startup)) }

func (s *Startup) SetupTest() { s.db = dbtest.Empty(s.T()) }

// at returns a pool and a migrator for an address.
func (s *Startup) at(dsn string, source fs.FS) (*database.Handle, *migrate.Migrator) {
	migrator, err := migrate.New(dsn, source)
	s.Require().NoError(err)
	db, err := database.Open(s.T().Context(), database.Options{
		DSN: dsn, PoolSize: 2, ConnectTimeout: 10 * time.Second, IdleTimeout: time.Minute,
	})
	s.Require().NoError(err)
	s.T().Cleanup(db.Close)
	return db, migrator
}

// preparation is one of the suite's own database.
func (s *Startup) preparation(migrates bool, tasks ...startup.Task) (*startup.Preparation, *migrate.Migrator) {
	db, migrator := s.at(s.db.DSN, notes)
	return startup.New(db, migrator, migrates, tasks, slog.New(slog.DiscardHandler)), migrator
}

// inBackground runs a preparation and returns how to end it and what comes of it.
func (s *Startup) inBackground(p *startup.Preparation) (cancel func(), ended <-chan error) {
	ctx, cancel := context.WithCancel(s.T().Context())
	outcome := make(chan error, 1)
	go func() { outcome <- p.Run(ctx) }()
	return cancel, outcome
}

func (s *Startup) outcome(ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		s.FailNow("the preparation does not end")
		return nil
	}
}

func (s *Startup) waits(ended <-chan error) {
	select {
	case err := <-ended:
		s.FailNow("the preparation ended", "%v", err)
	case <-time.After(700 * time.Millisecond): // longer than the time between two tries
	}
}

func (s *Startup) TestMigratesThenRunsTasksInOrder() {
	var ran []string
	task := func(name string) startup.Task {
		return startup.Task{Name: name, Run: func(ctx context.Context) error {
			_, err := s.db.Pool().Exec(ctx, "INSERT INTO notes VALUES ($1)", name)
			ran = append(ran, name)
			return err
		}}
	}
	p, _ := s.preparation(true, task("first"), task("second"))
	s.ErrorContains(p.Ready(s.T().Context()), "being prepared")
	s.NoError(p.Run(s.T().Context()))
	s.Equal([]string{"first", "second"}, ran)
	s.NoError(p.Ready(s.T().Context()))
}

func (s *Startup) TestReadyKnowsPendingMigrations() {
	p, migrator := s.preparation(true)
	s.Require().NoError(p.Run(s.T().Context()))
	_, err := migrator.Down(s.T().Context())
	s.Require().NoError(err)
	s.ErrorContains(p.Ready(s.T().Context()), "20260101000000_create_notes")
	_, err = migrator.Up(s.T().Context())
	s.Require().NoError(err)
	s.NoError(p.Ready(s.T().Context()))
}

func (s *Startup) TestWaitsUntilSomebodyElseHasMigrated() {
	ran := false
	p, migrator := s.preparation(false, startup.Task{Name: "late", Run: func(context.Context) error { ran = true; return nil }})
	cancel, ended := s.inBackground(p)
	defer cancel()
	s.waits(ended)
	s.Error(p.Ready(s.T().Context()))
	_, err := migrator.Up(s.T().Context())
	s.Require().NoError(err)
	s.NoError(s.outcome(ended))
	s.True(ran)
	s.NoError(p.Ready(s.T().Context()))
}

func (s *Startup) TestWaitsForAnAbsentServer() {
	direct, err := url.Parse(s.db.DSN)
	s.Require().NoError(err)
	through, open := s.gate(direct.Host)
	address := *direct
	address.Host = through
	db, migrator := s.at(address.String(), notes)
	p := startup.New(db, migrator, true, nil, slog.New(slog.DiscardHandler))
	cancel, ended := s.inBackground(p)
	defer cancel()
	s.waits(ended)
	s.Error(p.Ready(s.T().Context()))
	open()
	s.NoError(s.outcome(ended))
	s.NoError(p.Ready(s.T().Context()))
}

func (s *Startup) TestRefusalEndsIt() {
	for name, change := range map[string]func(*url.URL){
		"wrong password":   func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "canary") },
		"missing database": func(u *url.URL) { u.Path = "/tickr_test_does_not_exist" },
	} {
		address, err := url.Parse(s.db.DSN)
		s.Require().NoError(err)
		change(address)
		db, migrator := s.at(address.String(), notes)
		err = startup.New(db, migrator, true, nil, slog.New(slog.DiscardHandler)).Run(s.T().Context())
		_, refused := database.Refused(err)
		s.True(refused, "%s: %v", name, err)
		s.NotContains(err.Error(), "canary", name)
	}
}

func (s *Startup) TestBrokenMigrationEndsIt() {
	db, migrator := s.at(s.db.DSN, migration("CREATE TABLE notes (text nonsense);"))
	task := startup.Task{Name: "never", Run: func(context.Context) error { s.Fail("run without a schema"); return nil }}
	p := startup.New(db, migrator, true, []startup.Task{task}, slog.New(slog.DiscardHandler))
	err := p.Run(s.T().Context())
	var migration *startup.MigrationError
	s.ErrorAs(err, &migration)
	s.ErrorContains(err, "20260101000000_create_notes.tx.up.sql")
	s.Error(p.Ready(s.T().Context()))
}

func (s *Startup) TestFailedTaskEndsIt() {
	want := errors.New("no")
	p, _ := s.preparation(true, startup.Task{Name: "count the notes", Run: func(context.Context) error { return want }})
	err := p.Run(s.T().Context())
	s.ErrorIs(err, want)
	s.ErrorContains(err, "count the notes")
	s.Error(p.Ready(s.T().Context()))
}

func (s *Startup) TestOnlyTheTaskThatFoundNoDatabaseIsRepeated() {
	ran := map[string]int{}
	task := func(name string, failures int) startup.Task {
		return startup.Task{Name: name, Run: func(context.Context) error {
			if ran[name]++; ran[name] <= failures {
				return context.DeadlineExceeded
			}
			return nil
		}}
	}
	p, _ := s.preparation(true, task("before", 0), task("unlucky", 1), task("after", 0))
	s.NoError(p.Run(s.T().Context()))
	s.Equal(map[string]int{"before": 1, "unlucky": 2, "after": 1}, ran)
}

func (s *Startup) TestEndsWithItsContext() {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	s.Require().NoError(err)
	defer func() { s.NoError(silent.Close()) }()
	for name, host := range map[string]string{"absent": "127.0.0.1:1", "silent": silent.Addr().String()} {
		db, migrator := s.at("postgres://nobody@"+host+"/nothing?sslmode=disable", notes)
		cancel, ended := s.inBackground(startup.New(db, migrator, true, nil, slog.New(slog.DiscardHandler)))
		time.Sleep(50 * time.Millisecond)
		begin := time.Now()
		cancel()
		s.ErrorIs(s.outcome(ended), context.Canceled, name)
		s.Less(time.Since(begin), 5*time.Second, name)
	}
}
