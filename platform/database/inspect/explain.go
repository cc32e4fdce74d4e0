package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tickr/tickr/platform/database"
)

// Verdict says how a statement was served.
type Verdict string

// The verdicts on a statement.
const (
	Served     Verdict = "ok"         // by the indexes that are meant to, and no other
	SmallTable Verdict = "small"      // in another way, on tables so small that it does not matter
	NoneMeant  Verdict = "none meant" // no index is meant to
	Missed     Verdict = "missed"     // in another way, or an index does not exist
	NoData     Verdict = "no data"    // not at all: it refers to a row, and there is none
	Failed     Verdict = "failed"     // not at all: the server refused it or cut it short
)

// Explanation is how PostgreSQL answered one text of a statement.
type Explanation struct {
	Name    string   `json:"name"`
	Purpose string   `json:"purpose"`
	Text    int      `json:"text"` // which of the statement's texts, from 1
	Meant   []string `json:"meant"`
	Used    []string `json:"used"`
	Verdict Verdict  `json:"verdict"`
	// Note says why the verdict is not Served.
	Note            string  `json:"note,omitempty"`
	PlanningMillis  float64 `json:"planningMs"`
	ExecutionMillis float64 `json:"executionMs"`
	Buffers         Buffers `json:"buffers"`
	Plan            *Node   `json:"plan"` // nil where the statement failed
}

// Found reports whether the statement met any row, also one that it left out.
func (e Explanation) Found() bool {
	return e.Plan != nil && slices.ContainsFunc(e.Plan.accesses(), func(n Node) bool { return n.Rows+n.Removed > 0 })
}

// lockWait is how long an explained statement waits for a lock: it must not hold up others that wait behind it.
const lockWait = 500 * time.Millisecond

// Explain carries every text of the statements out and takes it back: each runs in a transaction of its own, which is rolled back,
// with the limits of any statement of the program, and a shorter one for locks. What it cannot take back are values of sequences and
// what Indexes counts.
// A statement that the server refuses or cuts short has its verdict; Explain fails where the server cannot be asked.
func Explain(ctx context.Context, db *database.Handle, statements []Statement) ([]Explanation, error) {
	judge, err := newJudge(ctx, db)
	if err != nil {
		return nil, err
	}
	all := []Explanation{}
	for _, statement := range statements {
		for i, query := range statement.Queries {
			e := Explanation{
				Name: statement.Name, Purpose: statement.Purpose, Text: i + 1, Meant: append([]string{}, statement.Indexes...), Used: []string{},
			}
			plan, err := carryOut(ctx, db, query)
			if refused, ok := errors.AsType[*pgconn.PgError](err); ok && !database.Unreachable(err) {
				e.Verdict, e.Note = refusal(refused)
				all = append(all, e)
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("explain %s: %w", statement.Name, err)
			}
			root := plan.Plan.node("", "")
			e.Plan, e.PlanningMillis, e.ExecutionMillis = &root, plan.Planning, plan.Execution
			e.Buffers = Buffers{Hit: plan.Plan.Hit, Read: plan.Plan.Read}
			if e.Used, e.Verdict, e.Note, err = judge.on(ctx, statement, root.accesses()); err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// carryOut runs a query and takes it back.
func carryOut(ctx context.Context, db *database.Handle, query Query) (explained, error) {
	tx, err := db.Pool().Begin(ctx)
	if err != nil {
		return explained{}, err
	}
	// Should it fail, the connection is closed, and the server rolls back.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", lockWait.Milliseconds())); err != nil {
		return explained{}, err
	}
	// Described first, so that parameters have the types that a prepared statement gives them.
	args := append([]any{pgx.QueryExecModeDescribeExec}, query.Args...)
	var raw []byte
	if err := tx.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) "+query.SQL, args...).Scan(&raw); err != nil {
		return explained{}, err
	}
	return parsePlan(raw)
}

// refusal says why the server did not carry a statement out, without its words: they may repeat an argument.
func refusal(err *pgconn.PgError) (Verdict, string) {
	switch err.Code {
	case "23503": // foreign key violation
		return NoData, "refers to a row of a table that is empty"
	case "57014": // query cancelled
		return Failed, fmt.Sprintf("took longer than %s", database.RequestBudget)
	case "55P03": // lock not available
		return Failed, fmt.Sprintf("waited for a lock for longer than %s", lockWait)
	}
	return Failed, "refused with SQLSTATE " + err.Code
}
