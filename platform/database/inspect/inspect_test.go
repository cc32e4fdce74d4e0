package inspect_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"

	"github.com/tickr/tickr/platform/database/dbtest"
	"github.com/tickr/tickr/platform/database/inspect"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// shop has a large table, one of two rows, and one in parts.
const shop = `
	CREATE SCHEMA shop;
	CREATE TABLE shop.customers (id uuid PRIMARY KEY, email text NOT NULL, note text);
	INSERT INTO shop.customers SELECT ('00000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid, 'c' || i || '@example.com', repeat('x', 100) || i
		FROM generate_series(1, 60000) i;
	CREATE INDEX customers_email_note ON shop.customers (email, note);
	CREATE INDEX customers_email ON shop.customers (email);
	CREATE INDEX customers_note ON shop.customers (note) WHERE email IS NULL;
	CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer uuid CONSTRAINT orders_customer REFERENCES shop.customers,
		payer uuid CONSTRAINT orders_payer REFERENCES shop.customers, agent uuid CONSTRAINT orders_agent REFERENCES shop.customers, paid boolean);
	CREATE INDEX orders_unpaid ON shop.orders (customer) WHERE NOT paid;
	CREATE INDEX orders_by_payer ON shop.orders (payer) WHERE payer IS NOT NULL;
	CREATE INDEX orders_by_agent ON shop.orders (agent, paid);
	INSERT INTO shop.orders (customer, paid) SELECT id, true FROM shop.customers ORDER BY id LIMIT 2;
	CREATE TABLE shop.events (at date, what text) PARTITION BY RANGE (at);
	CREATE INDEX events_at ON shop.events (at);
	CREATE TABLE shop.events_2026 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
	INSERT INTO shop.events SELECT '2026-01-01'::date + i % 300, 'x' FROM generate_series(1, 5000) i;
	ANALYZE`

type Inspect struct {
	suite.Suite

	db *dbtest.DB
}

func TestInspect(t *testing.T) { suite.Run(t, new(Inspect)) }

func (s *Inspect) SetupTest() {
	s.db = dbtest.Empty(s.T())
	s.exec(shop)
}

func (s *Inspect) exec(statement string) {
	_, err := s.db.Pool().Exec(s.T().Context(), statement)
	s.Require().NoError(err, statement)
}

// explain explains a statement of one text.
func (s *Inspect) explain(meant []string, sql string, args ...any) inspect.Explanation {
	statement := inspect.Statement{Name: "Shop.Ask", Purpose: "know", Indexes: meant, Queries: []inspect.Query{{SQL: sql, Args: args}}}
	if meant == nil {
		statement.Reason = "asks for all"
	}
	explained, err := inspect.Explain(s.T().Context(), s.db.Handle, []inspect.Statement{statement})
	s.Require().NoError(err)
	s.Require().Len(explained, 1)
	return explained[0]
}

const (
	someone  = "00000000-0000-7000-8000-000000000777"
	nowhere  = "SELECT note FROM shop.customers WHERE note = 'nothing'"
	primary  = "customers_pkey"
	newOrder = "INSERT INTO shop.orders (customer) VALUES ($1)"
)

func (s *Inspect) TestVerdicts() {
	for name, test := range map[string]struct {
		meant   []string
		sql     string
		args    []any
		verdict inspect.Verdict
		used    []string
		note    string
	}{
		"an index that is meant to": {
			[]string{primary}, "SELECT note FROM shop.customers WHERE id = $1", []any{someone}, inspect.Served, []string{primary}, "",
		},
		"one of several": {
			[]string{primary, "customers_email"}, "SELECT id FROM shop.customers WHERE email = 'c7@example.com'", nil,
			inspect.Served, []string{"customers_email"}, "",
		},
		"one of many parts": {
			[]string{"events_at"}, "SELECT what FROM shop.events WHERE at = '2026-03-03'", nil, inspect.Served, []string{"events_at"}, "",
		},
		"another index": {
			[]string{primary}, "SELECT id FROM shop.customers WHERE email = 'c7@example.com'", nil,
			inspect.Missed, []string{"customers_email"}, "customers_email serves customers",
		},
		"no index of a large table": {[]string{primary}, nowhere, nil, inspect.Missed, []string{}, "seq scan of customers: 60000 rows"},
		"no index of a small table": {
			[]string{"orders_pkey"}, "SELECT paid FROM shop.orders WHERE id > 0", nil, inspect.SmallTable, []string{}, "seq scan of orders: 2 rows",
		},
		"an index that there is not": {
			[]string{primary, "customers_gone"}, "SELECT note FROM shop.customers WHERE id = $1", []any{someone},
			inspect.Missed, []string{primary}, "customers_gone does not exist or is not valid",
		},
		"none is meant to":    {nil, nowhere, nil, inspect.NoneMeant, []string{}, "asks for all"},
		"nothing to refer to": {nil, newOrder, []any{"00000000-0000-0000-0000-000000000000"}, inspect.NoData, []string{}, "refers to a row of a table that is empty"},
		"refused":             {nil, "SELECT 'canary'::int", nil, inspect.Failed, []string{}, "refused with SQLSTATE 22P02"},
		"cut short":           {nil, "SELECT pg_sleep(9)", nil, inspect.Failed, []string{}, "took longer than 2.5s"},
	} {
		s.Run(name, func() {
			e := s.explain(test.meant, test.sql, test.args...)
			s.Equal(test.verdict, e.Verdict, e.Note)
			s.Equal(test.used, e.Used)
			s.Equal(test.note, e.Note)
			s.Equal(test.verdict == inspect.NoData || test.verdict == inspect.Failed, e.Plan == nil)
		})
	}
}

func (s *Inspect) TestFigures() {
	e := s.explain([]string{primary}, "SELECT note FROM shop.customers WHERE id IN ($1, $2) AND email <> 'c777@example.com'",
		someone, "00000000-0000-7000-8000-000000000778")
	s.Positive(e.PlanningMillis)
	s.Positive(e.ExecutionMillis)
	s.Positive(e.Buffers.Hit + e.Buffers.Read)
	s.True(e.Found())
	scan := *e.Plan
	for len(scan.Children) > 0 && scan.Table == "" {
		scan = scan.Children[0]
	}
	s.Equal("shop.customers", scan.Schema+"."+scan.Table)
	s.Equal([]int64{1, 1, 1}, []int64{scan.Rows, scan.Removed, scan.Loops})
	s.False(s.explain([]string{primary}, "SELECT FROM shop.customers WHERE id = $1", "00000000-0000-0000-0000-000000000000").Found())

	raw, err := json.Marshal(e)
	s.Require().NoError(err)
	s.NotContains(string(raw), "c777", "arguments are not shown")
	var shape map[string]any
	s.Require().NoError(json.Unmarshal(raw, &shape))
	for _, key := range []string{"name", "purpose", "text", "meant", "used", "verdict", "planningMs", "executionMs", "buffers", "plan"} {
		s.Contains(shape, key)
	}
}

// TestTakesBack: what was explained has not happened, and holds nothing.
func (s *Inspect) TestTakesBack() {
	for _, sql := range []string{
		"INSERT INTO shop.orders (customer) SELECT id FROM shop.customers LIMIT 3", "DELETE FROM shop.orders", "UPDATE shop.orders SET paid = NULL",
		"SELECT pg_advisory_xact_lock(7)",
	} {
		s.NotNil(s.explain(nil, sql).Plan, sql)
	}
	var orders, locks int
	s.Require().NoError(s.db.Pool().QueryRow(s.T().Context(), `SELECT (SELECT count(*) FROM shop.orders WHERE paid),
		(SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE datname = current_database() AND locktype = 'advisory')`).Scan(&orders, &locks))
	s.Equal(2, orders)
	s.Zero(locks)
}

func (s *Inspect) TestDoesNotWaitInTheWay() {
	tx, err := s.db.Pool().Begin(s.T().Context())
	s.Require().NoError(err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(s.T().Context(), "LOCK shop.orders")
	s.Require().NoError(err)
	begin := time.Now()
	e := s.explain([]string{"orders_pkey"}, "SELECT FROM shop.orders WHERE id = 1")
	s.Equal(inspect.Failed, e.Verdict)
	s.Equal("waited for a lock for longer than 500ms", e.Note)
	s.Less(time.Since(begin), 2*time.Second)
}

// report is taken after a scan of customers_email and one of all customers, once they are counted.
func (s *Inspect) report(statements ...inspect.Statement) inspect.Report {
	ctx := s.T().Context()
	conn, err := s.db.Pool().Acquire(ctx)
	s.Require().NoError(err)
	defer conn.Release()
	for _, sql := range []string{"SELECT id FROM shop.customers WHERE email = 'c7@example.com'", nowhere, "SELECT pg_stat_force_next_flush()"} {
		_, err := conn.Exec(ctx, sql)
		s.Require().NoError(err)
	}
	r, err := inspect.Indexes(ctx, s.db.Handle, statements)
	s.Require().NoError(err)
	return r
}

func (s *Inspect) TestUse() {
	before := time.Now().Add(-time.Minute)
	r := s.report()
	s.WithinRange(r.Since, before.Add(-time.Hour), time.Now())
	at := slices.IndexFunc(r.Indexes, func(i inspect.Index) bool { return i.Name == "customers_email" })
	s.Require().GreaterOrEqual(at, 0)
	email := r.Indexes[at]
	s.Equal([]int64{1, 1, 1}, []int64{email.Scans, email.TuplesRead, email.TuplesFetched})
	s.Equal("btree (email)", email.Definition)
	s.Greater(email.SizeBytes, int64(1<<20))
	s.Equal([]bool{false, false, true}, []bool{email.Unique, email.Constraint, email.Valid})

	var major int
	s.Require().NoError(s.db.Pool().QueryRow(s.T().Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&major))
	s.Equal(major >= 16, r.LastScanKnown)
	if r.LastScanKnown {
		s.Require().NotNil(email.LastScan)
		s.WithinRange(*email.LastScan, before, time.Now().Add(time.Minute))
	} else {
		s.Nil(email.LastScan)
	}
}

func (s *Inspect) TestFindings() {
	ctx := s.T().Context()
	_, err := s.db.Pool().Exec(ctx, "CREATE UNIQUE INDEX CONCURRENTLY customers_broken ON shop.customers (left(note, 1))")
	s.Require().Error(err, "all notes begin alike")
	s.exec("DROP INDEX shop.orders_by_agent")
	r := s.report(inspect.Statement{Name: "Orders.Of", Indexes: []string{"orders_by_agent", "orders_by_payer"}})
	found := map[inspect.Kind][]string{}
	for _, f := range r.Findings {
		if f.Schema != "" {
			s.Equal("shop", f.Schema)
			s.NotEmpty(f.Table)
		}
		what := f.Index
		switch f.Kind {
		case inspect.Missing:
			what = f.Detail
		case inspect.Scanned:
			what = f.Table
			s.Regexp(`^\d+ times from end to end, \d+ rows each on average`, f.Detail)
		default:
		}
		found[f.Kind] = append(found[f.Kind], what)
	}
	const reads = " refers to shop.customers: a delete there reads all of this table"
	s.Equal(map[inspect.Kind][]string{
		inspect.Absent:    {"orders_by_agent"},
		inspect.Invalid:   {"customers_broken"},
		inspect.Missing:   {"orders_agent" + reads, "orders_customer" + reads},
		inspect.Scanned:   {"customers"},
		inspect.Unused:    {"customers_email_note", "customers_note", "events_2026_at_idx", "orders_by_payer", "orders_unpaid"},
		inspect.Duplicate: {"customers_email"},
	}, found)
}

// TestAlike: of two indexes that are alike one is a duplicate, and never the one that keeps a rule.
func (s *Inspect) TestAlike() {
	s.exec(`CREATE INDEX customers_id ON shop.customers (id);
		CREATE INDEX customers_note_2 ON shop.customers (note) WHERE email IS NULL;
		CREATE INDEX customers_note_all ON shop.customers (note);
		CREATE INDEX customers_email_down ON shop.customers (email DESC, note);
		CREATE UNIQUE INDEX orders_id ON shop.orders (id)`)
	var doubled []string
	for _, f := range s.report().Findings {
		if f.Kind == inspect.Duplicate {
			doubled = append(doubled, f.Index)
		}
	}
	s.Equal([]string{"customers_email", "customers_id", "customers_note_2", "orders_id"}, doubled)
}

func (s *Inspect) TestReportShape() {
	raw, err := json.Marshal(s.report())
	s.Require().NoError(err)
	var shape struct {
		Since         time.Time
		LastScanKnown *bool
		Indexes       []map[string]any
		Findings      []map[string]any
	}
	s.Require().NoError(json.Unmarshal(raw, &shape))
	s.NotNil(shape.LastScanKnown)
	for _, key := range []string{
		"schema", "table", "name", "definition", "scans", "tuplesRead", "tuplesFetched", "sizeBytes", "lastScan", "unique", "constraint", "valid",
	} {
		s.Contains(shape.Indexes[0], key)
	}
	s.Contains(shape.Findings[0], "kind")
}

func TestEmptyDatabaseHasNothingToReport(t *testing.T) {
	db := dbtest.Empty(t)
	r, err := inspect.Indexes(t.Context(), db.Handle, nil)
	require.NoError(t, err)
	raw, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"indexes":[],"findings":[]`)
}

func TestAbsentServer(t *testing.T) {
	db := dbtest.Empty(t)
	db.Close()
	_, err := inspect.Explain(t.Context(), db.Handle, nil)
	require.ErrorContains(t, err, "list the indexes")
	_, err = inspect.Indexes(t.Context(), db.Handle, nil)
	require.ErrorContains(t, err, "ask how long use has been counted")
}
