package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Users implements application.Users.
type Users struct{ db store }

type userRow struct {
	bun.BaseModel `bun:"table:users.users,alias:u"`
	domain.State
}

// mutable are the columns that Save writes: all but the key and the time of creation.
var mutable = []string{
	"email", "phone", "password_hash", "first_name", "last_name", "role", "is_organizer", "email_verified", "phone_verified", "is_active",
	"last_login_at", "updated_at", "deactivated_at", "deactivated_by", "deactivation_reason", "version",
}

// Insert implements application.Users.
func (r Users) Insert(ctx context.Context, u *domain.User) error {
	_, err := r.db.Conn(ctx).NewInsert().Model(&userRow{State: u.State()}).Exec(ctx)
	return fault("insert user", err)
}

// InsertIfNew implements application.Users.
func (r Users) InsertIfNew(ctx context.Context, u *domain.User) error {
	_, err := r.db.Conn(ctx).NewInsert().Model(&userRow{State: u.State()}).On("CONFLICT (email) DO NOTHING").Exec(ctx)
	return fault("insert new user", err)
}

// Save implements application.Users.
func (r Users) Save(ctx context.Context, u *domain.User) error {
	_, err := r.db.Conn(ctx).NewUpdate().Model(&userRow{State: u.State()}).Column(mutable...).Where("u.id = ?", u.ID()).Exec(ctx)
	return fault("save user", err)
}

// ByID implements application.Users.
func (r Users) ByID(ctx context.Context, id users.ID) (*domain.User, error) {
	state, err := readOne(ctx, r.db, userFields, selectUserByID, id)
	if err != nil {
		return nil, fault("find user by id", err)
	}
	return domain.Restore(state), nil
}

// ByEmail implements application.Users.
func (r Users) ByEmail(ctx context.Context, email string) (*domain.User, error) {
	state, err := readOne(ctx, r.db, userFields, selectUserByEmail, email)
	if err != nil {
		return nil, fault("find user by e-mail", err)
	}
	return domain.Restore(state), nil
}

// ByPhone implements application.Users.
func (r Users) ByPhone(ctx context.Context, phone string) (*domain.User, error) {
	state, err := readOne(ctx, r.db, userFields, selectUserByPhone, phone)
	if err != nil {
		return nil, fault("find user by phone", err)
	}
	return domain.Restore(state), nil
}

// ByIDs implements application.Users.
func (r Users) ByIDs(ctx context.Context, ids []users.ID) ([]*domain.User, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	states, err := read(ctx, r.db, shownFields, selectUsersByIDs, array(ids))
	if err != nil {
		return nil, fault("find users by id", err)
	}
	found := make([]*domain.User, len(states))
	for i, state := range states {
		found[i] = domain.Restore(state)
	}
	return found, nil
}

// LockByID implements application.Users.
func (r Users) LockByID(ctx context.Context, id users.ID) (*domain.User, error) {
	return r.lock(ctx, "lock user by id", "u.id = ?", id)
}

// LockByEmail implements application.Users.
func (r Users) LockByEmail(ctx context.Context, email string) (*domain.User, error) {
	return r.lock(ctx, "lock user by e-mail", "u.email = ?", email)
}

// LockByPhone implements application.Users.
func (r Users) LockByPhone(ctx context.Context, phone string) (*domain.User, error) {
	return r.lock(ctx, "lock user by phone", "u.phone = ?", phone)
}

// forChange locks a row against other changes, but not against rows of siblings that start to refer to it.
const forChange = "NO KEY UPDATE"

func (r Users) lock(ctx context.Context, attempt, where string, key any) (*domain.User, error) {
	var row userRow
	if err := r.db.Conn(ctx).NewSelect().Model(&row).Where(where, key).For(forChange).Scan(ctx); err != nil {
		return nil, fault(attempt, err)
	}
	return domain.Restore(row.State), nil
}

// List implements application.Users. What a search finds is read and sorted when it is not much. Otherwise the first users in the order
// are gone over, among whom a page is soon full when those who are found are spread evenly; when it is not, all are read and sorted
// nevertheless. Left alone, the planner relies on an even spread, and goes over all users where there is none.
func (r Users) List(ctx context.Context, f application.Filter, page application.Page) ([]*domain.User, error) {
	switch {
	case f.Search == nil:
		return r.list(ctx, page, func(q *bun.SelectQuery) *bun.SelectQuery { return beyond(filtered(q, f), page) })
	case page.Total >= application.MaxFound:
		found, err := r.listAmongFirst(ctx, f, page)
		if err != nil || len(found) == page.Limit {
			return found, err
		}
	}
	matching := beyond(filtered(r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)), f), page)
	return r.list(ctx, page, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.WithQuery(bun.NewWithQuery("matching", matching).Materialized()).ModelTableExpr("matching AS u")
	})
}

// Among how many users, in the order of a list, those are looked for first whom a search finds: so many, and so many more for each that is
// passed over.
const (
	looked     = 20_000
	lookedEach = 10
)

// listAmongFirst is List as far as the page is found among the first users in its order.
func (r Users) listAmongFirst(ctx context.Context, f application.Filter, page application.Page) ([]*domain.User, error) {
	first := placed(beyond(r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)), page), application.Page{
		Order: page.Order, Limit: looked + lookedEach*page.Offset,
	})
	return r.list(ctx, page, func(q *bun.SelectQuery) *bun.SelectQuery { return filtered(q.ModelTableExpr("(?) AS u", first), f) })
}

// list reads a page of what from selects, which is beyond the page's After.
func (r Users) list(ctx context.Context, page application.Page, from func(*bun.SelectQuery) *bun.SelectQuery) ([]*domain.User, error) {
	var rows []userRow
	query := from(r.db.Conn(ctx).NewSelect().Model(&rows).ExcludeColumn("password_hash"))
	if err := placed(query, page).Scan(ctx); err != nil {
		return nil, fault("list users", err)
	}
	found := make([]*domain.User, len(rows))
	for i := range rows {
		found[i] = domain.Restore(rows[i].State)
	}
	return found, nil
}

// placed puts a list in its order, and cuts a page out of it.
func placed(query *bun.SelectQuery, page application.Page) *bun.SelectQuery {
	direction := bun.Safe("ASC")
	if page.Order.Descending {
		direction = "DESC"
	}
	query = query.OrderExpr("? ?, u.id ?", sorted(page.Order), direction, direction).Limit(int64(page.Limit))
	if page.After != nil {
		return query
	}
	return query.Offset(int64(page.Offset))
}

// beyond starts a list after the page's After.
func beyond(query *bun.SelectQuery, page application.Page) *bun.SelectQuery {
	if page.After == nil {
		return query
	}
	comparison := bun.Safe(">")
	if page.Order.Descending {
		comparison = "<"
	}
	var value any = page.After.Text
	switch {
	case page.Order.By == application.SortByLastLogin && page.After.Time.IsZero():
		value = bun.Safe("'-infinity'::timestamp")
	case page.Order.By.IsTime():
		value = page.After.Time
	}
	return query.Where("(?, u.id) ? (?, ?)", sorted(page.Order), comparison, value, page.After.ID)
}

// sorted is what a list is sorted by.
func sorted(order application.Order) bun.Safe {
	switch order.By {
	case application.SortByLastLogin:
		return "coalesce(u.last_login_at, '-infinity')"
	case application.SortByEmail:
		return "u.email"
	case application.SortByLastName:
		return "u.last_name"
	default:
		return "u.created_at"
	}
}

// Count implements application.Users.
func (r Users) Count(ctx context.Context, f application.Filter) (int64, error) {
	query := filtered(r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)), f)
	if f.Search != nil {
		query = r.db.Conn(ctx).NewSelect().TableExpr("(?) AS found", query.ColumnExpr("1").Limit(application.MaxFound))
	}
	n, err := query.Count(ctx)
	return n, fault("count users", err)
}

// searchText is what idx_users_search is of. Two runes begin each part, so that a single letter makes a trigram with them: letters, as
// the index goes by words of letters and digits.
const (
	searchText = "lower('ᛜᛜ' || u.first_name || 'ᛜᛜ' || u.last_name || 'ᛜᛜ' || u.email || 'ᛜᛜ' || coalesce(u.phone, ''))"
	beginning  = "ᛜᛜ"
)

// literal escapes what stands for other characters in a pattern.
var literal = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func filtered(query *bun.SelectQuery, f application.Filter) *bun.SelectQuery {
	if f.Role != nil {
		query = query.Where("u.role = ?", *f.Role)
	}
	if f.IsActive != nil {
		query = query.Where("u.is_active = ?", *f.IsActive)
	}
	if f.EmailVerified != nil {
		query = query.Where("u.email_verified = ?", *f.EmailVerified)
	}
	if f.IsOrganizer != nil {
		query = query.Where("u.is_organizer = ?", *f.IsOrganizer)
	}
	if f.CreatedFrom != nil {
		query = query.Where("u.created_at >= ?", *f.CreatedFrom)
	}
	if f.CreatedTo != nil {
		query = query.Where("u.created_at <= ?", *f.CreatedTo)
	}
	for _, word := range f.Search {
		pattern := literal.Replace(word.Text) + "%"
		if word.Initial {
			pattern = beginning + pattern
		}
		query = query.Where(searchText+" LIKE lower(?)", "%"+pattern)
	}
	return query
}

// Stats implements application.Users.
func (r Users) Stats(ctx context.Context, since time.Time) (users.Stats, error) {
	groups, err := r.countByRole(ctx)
	if err != nil {
		return users.Stats{}, err
	}
	stats := users.Stats{ByRole: map[users.Role]int64{}}
	for _, role := range users.Roles() {
		stats.ByRole[role] = 0
	}
	for _, g := range groups {
		stats.Total += g.N
		stats.ByRole[g.Role] += g.N
		if g.IsActive {
			stats.Active += g.N
		}
	}
	stats.Signups24h, err = r.countSince(ctx, since)
	return stats, err
}

// countRow is a part of the number of accounts of one kind. The triggers of the table of users keep it.
type countRow struct {
	bun.BaseModel `bun:"table:users.user_counts,alias:c"`

	ID       int64 `bun:",pk,identity"`
	Role     users.Role
	IsActive bool
	N        int64
}

// countByRole returns the numbers of the kinds. It reads some dozen rows, however many accounts there are.
func (r Users) countByRole(ctx context.Context) ([]countRow, error) {
	var groups []countRow
	err := r.db.Conn(ctx).NewSelect().Model(&groups).
		Column("role", "is_active").ColumnExpr("sum(c.n)::bigint AS n").Group("role", "is_active").Scan(ctx)
	return groups, fault("count users by role", err)
}

func (r Users) countSince(ctx context.Context, since time.Time) (int64, error) {
	n, err := r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)).Where("u.created_at >= ?", since).Count(ctx)
	return n, fault("count new users", err)
}

// AdminExists implements application.Users.
func (r Users) AdminExists(ctx context.Context) (bool, error) {
	exists, err := r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)).Where("u.role = ?", users.Admin).Exists(ctx)
	return exists, fault("look for an administrator", err)
}

// lastAdminLock is the advisory lock that serialises the question for another active administrator.
const lastAdminLock = 0x7469636b7201

// OtherActiveAdmin implements application.Users.
func (r Users) OtherActiveAdmin(ctx context.Context, id users.ID) (bool, error) {
	if err := r.lockAdmins(ctx); err != nil {
		return false, err
	}
	// A statement of its own: its snapshot is taken once the lock is held.
	return r.otherActiveAdmin(ctx, id)
}

func (r Users) lockAdmins(ctx context.Context) error {
	_, err := r.db.Conn(ctx).NewRaw("SELECT pg_advisory_xact_lock(?)", lastAdminLock).Exec(ctx)
	return fault("lock administrators", err)
}

func (r Users) otherActiveAdmin(ctx context.Context, id users.ID) (bool, error) {
	exists, err := r.db.Conn(ctx).NewSelect().Model((*userRow)(nil)).
		Where("u.role = ?", users.Admin).Where("u.is_active").Where("u.id <> ?", id).Exists(ctx)
	return exists, fault("look for another administrator", err)
}
