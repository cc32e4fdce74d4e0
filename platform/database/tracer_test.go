package database_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/dbtest"
)

type TracerSuite struct {
	suite.Suite
	h       *database.Handle
	spans   *tracetest.SpanRecorder
	ctx     context.Context
	request trace.Span
}

func TestTracer(t *testing.T) { suite.Run(t, new(TracerSuite)) }

func (s *TracerSuite) SetupTest() {
	s.h = open(s.T(), dbtest.Empty(s.T()).DSN, nil)
	exec(s.T(), s.h, "CREATE SCHEMA people; CREATE TABLE people.people (name text PRIMARY KEY)")
	s.spans = tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))
	s.ctx, s.request = provider.Tracer("test").Start(s.T().Context(), "request")
}

// ended returns the name, attributes and status of the spans that have ended, and requires them to be below the request.
func (s *TracerSuite) ended() (told []string) {
	for _, span := range s.spans.Ended() {
		s.Equal(s.request.SpanContext().TraceID(), span.SpanContext().TraceID())
		line := span.Name()
		for _, a := range span.Attributes() {
			line += fmt.Sprintf(" %s=%v", a.Key, a.Value.AsInterface())
		}
		s.Empty(span.Events())
		s.Empty(span.Status().Description)
		told = append(told, line)
	}
	return told
}

func (s *TracerSuite) TestTellsWhatNotWith() {
	conn := s.h.Conn(s.ctx)
	const name = "Canary' FROM canary"
	_, err := conn.NewRaw("INSERT INTO people.people (name) VALUES (?)", name).Exec(s.ctx)
	s.Require().NoError(err)
	_, err = conn.NewRaw("INSERT INTO people.people (name) VALUES (?)", name).Exec(s.ctx)
	s.Require().ErrorContains(err, "duplicate key")
	var found string
	s.Require().NoError(s.h.Pool().QueryRow(s.ctx, `SELECT "name" FROM "people"."people" WHERE name = $1`, name).Scan(&found))
	s.Equal(name, found)
	_, err = conn.NewRaw("SELECT ? FROM people.people", name).Exec(s.ctx)
	s.Require().NoError(err)

	insert := "INSERT people.people db.system.name=postgresql db.operation.name=INSERT db.collection.name=people.people "
	s.Equal([]string{
		insert + "db.response.returned_rows=1",
		insert + "db.response.status_code=23505 error.type=23505",
		"SELECT people.people db.system.name=postgresql db.operation.name=SELECT db.collection.name=people.people db.response.returned_rows=1",
		"SELECT db.system.name=postgresql db.operation.name=SELECT db.response.returned_rows=1",
	}, s.ended())
}

func (s *TracerSuite) TestTransactions() {
	refused := errors.New("canary refused")
	for _, outcome := range []error{nil, refused} {
		s.ErrorIs(s.h.InTx(s.ctx, func(ctx context.Context) error {
			_, err := s.h.Conn(ctx).NewRaw("DELETE FROM people.people").Exec(ctx)
			s.NoError(err)
			return outcome
		}), outcome)
	}
	var names []string
	for _, span := range s.spans.Ended() {
		names = append(names, span.Name()+" "+span.Status().Code.String())
	}
	s.Equal([]string{
		"BEGIN Unset", "DELETE people.people Unset", "COMMIT Unset", "transaction Unset",
		"BEGIN Unset", "DELETE people.people Unset", "ROLLBACK Unset", "transaction Error",
	}, names)
	ended := s.spans.Ended()
	for i, span := range ended {
		parent := ended[i/4*4+3].SpanContext().SpanID()
		if i%4 == 3 {
			parent = s.request.SpanContext().SpanID()
		}
		s.Equal(parent, span.Parent().SpanID(), span.Name())
	}
}

func (s *TracerSuite) TestTellsThatTimeRanOut() {
	_, err := s.h.Conn(s.ctx).ExecContext(database.WithBudget(s.ctx, 300*time.Millisecond), "SELECT pg_sleep(20)")
	s.Require().Error(err)
	s.Equal([]string{"SELECT db.system.name=postgresql db.operation.name=SELECT error.type=timeout"}, s.ended())
}

func (s *TracerSuite) TestNobodyAsked() {
	s.NoError(s.h.Ping(s.T().Context()))
	s.NoError(s.h.InTx(s.T().Context(), func(ctx context.Context) error {
		_, err := s.h.Conn(ctx).ExecContext(ctx, "SELECT 1")
		return err
	}))
	s.request.End()
	_, err := s.h.Conn(s.ctx).ExecContext(s.ctx, "SELECT 1")
	s.NoError(err)
	s.Len(s.spans.Ended(), 1, "the request itself")
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string][2]string{
		`SELECT "u"."id", "u"."email" FROM "users"."users" AS "u" WHERE (u.id = 'canary')`: {"SELECT", "users.users"},
		"SELECT id FROM users.users WHERE id = $1":                                         {"SELECT", "users.users"},
		`SELECT EXISTS (SELECT "u"."id" FROM "users"."users" AS "u" WHERE x)`:              {"SELECT", "users.users"},
		"select count(*)\nfrom accounts":                                                   {"SELECT", "accounts"},
		"SELECT 'a FROM canary'":                                                           {"SELECT", ""},
		"SELECT $$a FROM canary$$":                                                         {"SELECT", ""},
		"SELECT * FROM (SELECT 'canary') x":                                                {"SELECT", ""},
		`INSERT INTO "users"."outbox" AS "o" ("id") VALUES ('x FROM canary')`:              {"INSERT", "users.outbox"},
		`UPDATE "users"."users" AS "u" SET "first_name" = 'INSERT INTO canary'`:            {"UPDATE", "users.users"},
		`DELETE FROM "users"."outbox" AS "o" WHERE (o.id = 'canary')`:                      {"DELETE", "users.outbox"},
		`WITH "x" AS (SELECT 'canary') SELECT * FROM x`:                                    {"WITH", ""},
		"begin":                {"BEGIN", ""},
		"rollback":             {"ROLLBACK", ""},
		"LISTEN canary":        {"LISTEN", ""},
		"canary":               {"SQL", ""},
		"":                     {"SQL", ""},
		"SELECTED FROM canary": {"SQL", ""},
	} {
		operation, table := database.Describe(sql)
		require.Equal(t, want, [2]string{operation, table}, sql)
	}
}
