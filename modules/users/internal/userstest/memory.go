// Package userstest stands in for what the use cases of users are connected to: storage in memory, and doubles of the other ports.
// RepositorySuite is why the storage can be trusted: it and PostgreSQL must both pass it.
package userstest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Ports is the storage of the module.
type Ports struct {
	Tx            application.Transactor
	Users         application.Users
	Registrations application.Registrations
	OneTimeTokens application.OneTimeTokens
	Sessions      application.Sessions
	Outbox        application.Outbox
	Audit         application.Audit
	Changes       application.Changes
	Throttles     application.Throttles
	Leftovers     application.Leftovers
	Months        application.TrailMonths
}

// Memory is storage in memory, safe for concurrent use. A transaction holds all of it, so that transactions run one after the
// other, and a statement outside waits for the one that runs. One that fails leaves no trace, and after a unique violation it
// can only fail, as in PostgreSQL.
type Memory struct {
	mu      sync.Mutex
	tables  tables
	breakIn int // statements until one fails; 0: none will
}

type tables struct {
	users         map[users.ID]domain.State
	registrations map[uuid.UUID]domain.Registration
	tokens        map[tokenKey]domain.OneTimeToken
	sessions      map[uuid.UUID]domain.SessionState
	outbox        map[uuid.UUID]outboxRow
	audit         map[uuid.UUID]application.AuditEntry
	changes       map[int]sentChange // by the order in which they were announced
	throttles     map[string]throttle
	trusted       map[string]time.Time
	months        map[time.Time]bool // of the audit trail
}

func (t tables) clone() tables {
	return tables{
		users: maps.Clone(t.users), registrations: maps.Clone(t.registrations), tokens: maps.Clone(t.tokens),
		sessions: maps.Clone(t.sessions), outbox: maps.Clone(t.outbox), audit: maps.Clone(t.audit),
		changes: maps.Clone(t.changes), months: maps.Clone(t.months),
		throttles: maps.Clone(t.throttles), trusted: maps.Clone(t.trusted),
	}
}

// NewMemory returns empty storage.
func NewMemory() *Memory {
	return &Memory{tables: tables{
		users: map[users.ID]domain.State{}, registrations: map[uuid.UUID]domain.Registration{}, tokens: map[tokenKey]domain.OneTimeToken{},
		sessions: map[uuid.UUID]domain.SessionState{}, outbox: map[uuid.UUID]outboxRow{}, audit: map[uuid.UUID]application.AuditEntry{},
		changes: map[int]sentChange{}, months: map[time.Time]bool{},
		throttles: map[string]throttle{}, trusted: map[string]time.Time{},
	}}
}

// Ports returns the storage as the use cases see it.
func (m *Memory) Ports() Ports {
	return Ports{
		Tx: m, Users: memoryUsers{m}, Registrations: memoryRegistrations{m}, OneTimeTokens: memoryTokens{m},
		Sessions: memorySessions{m}, Outbox: memoryOutbox{m}, Audit: memoryAudit{m}, Changes: memoryChanges{m},
		Throttles: memoryThrottles{m},
		Leftovers: memoryLeftovers{m}, Months: memoryMonths{m},
	}
}

// ErrBroken is how storage fails that BreakIn broke.
var ErrBroken = errors.New("storage is broken")

// BreakIn makes the n-th statement from now fail with ErrBroken, counting from 1; a commit is one, too. 0 breaks nothing.
func (m *Memory) BreakIn(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.breakIn = n
}

// Snapshot returns a copy of everything stored but what was told of it, to others and in the audit trail, to be compared with another.
func (m *Memory) Snapshot() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	copied := m.tables.clone()
	copied.audit, copied.changes, copied.months = nil, nil, nil
	return copied
}

// Trail returns the acts recorded so far, oldest first.
func (m *Memory) Trail() []application.AuditEntry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.tables.audit), func(a, b application.AuditEntry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

// txKey is the context key of a transaction on one Memory.
type txKey struct{ m *Memory }

type transaction struct{ aborted bool }

var errAborted = errors.New("transaction is aborted, only a rollback is possible")

// InTx implements application.Transactor.
func (m *Memory) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if ctx.Value(txKey{m}) != nil {
		return fn(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before, committed := m.tables.clone(), false
	defer func() { // also when fn panics
		if !committed {
			m.tables = before
		}
	}()
	tx := &transaction{}
	ctx = context.WithValue(ctx, txKey{m}, tx)
	if err := fn(ctx); err != nil {
		return err
	}
	if err := m.execute(ctx, tx, func(tables) error { return nil }); err != nil {
		return err
	}
	committed = true
	return nil
}

// do runs one statement, in the transaction of ctx if it has one.
func (m *Memory) do(ctx context.Context, statement func(t tables) error) error {
	if tx, ok := ctx.Value(txKey{m}).(*transaction); ok {
		return m.execute(ctx, tx, statement)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.execute(ctx, &transaction{}, statement)
}

// execute runs a statement while m is locked. One that fails has changed nothing.
func (m *Memory) execute(ctx context.Context, tx *transaction, statement func(t tables) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if tx.aborted {
		return errAborted
	}
	if m.breakIn > 0 {
		if m.breakIn--; m.breakIn == 0 {
			tx.aborted = true
			return ErrBroken
		}
	}
	err := statement(m.tables)
	tx.aborted = errors.Is(err, users.ErrEmailTaken) || errors.Is(err, application.ErrPhoneClaimed)
	return err
}
