package userstest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

type memoryUsers struct{ m *Memory }

func (r memoryUsers) Insert(ctx context.Context, u *domain.User) error {
	return r.m.do(ctx, func(t tables) error { return t.putUser(u.State()) })
}

func (r memoryUsers) InsertIfNew(ctx context.Context, u *domain.User) error {
	return r.m.do(ctx, func(t tables) error {
		if err := t.putUser(u.State()); !errors.Is(err, users.ErrEmailTaken) {
			return err
		}
		return nil
	})
}

func (r memoryUsers) Save(ctx context.Context, u *domain.User) error {
	return r.m.do(ctx, func(t tables) error { return t.putUser(u.State()) })
}

func (t tables) putUser(state domain.State) error {
	for _, other := range t.users {
		switch {
		case other.ID == state.ID:
		case other.Email == state.Email:
			return users.ErrEmailTaken
		case state.Phone != nil && other.Phone != nil && *other.Phone == *state.Phone:
			return application.ErrPhoneClaimed
		}
	}
	t.users[state.ID] = state
	return nil
}

func (r memoryUsers) ByID(ctx context.Context, id users.ID) (*domain.User, error) {
	return r.one(ctx, func(s domain.State) bool { return s.ID == id })
}

func (r memoryUsers) ByEmail(ctx context.Context, email string) (*domain.User, error) {
	return r.one(ctx, func(s domain.State) bool { return s.Email == email })
}

func (r memoryUsers) ByPhone(ctx context.Context, phone string) (*domain.User, error) {
	return r.one(ctx, func(s domain.State) bool { return s.Phone != nil && *s.Phone == phone })
}

func (r memoryUsers) ByIDs(ctx context.Context, ids []users.ID) ([]*domain.User, error) {
	found, err := r.all(ctx, func(s domain.State) bool { return slices.Contains(ids, s.ID) })
	return toShow(found), err
}

func (r memoryUsers) LockByID(ctx context.Context, id users.ID) (*domain.User, error) {
	return r.ByID(ctx, id)
}

func (r memoryUsers) LockByEmail(ctx context.Context, email string) (*domain.User, error) {
	return r.ByEmail(ctx, email)
}

func (r memoryUsers) LockByPhone(ctx context.Context, phone string) (*domain.User, error) {
	return r.ByPhone(ctx, phone)
}

func (r memoryUsers) List(ctx context.Context, f application.Filter, page application.Page) ([]*domain.User, error) {
	place := func(s domain.State) application.Place { return page.Order.PlaceOf(domain.Restore(s).View()) }
	found, err := r.all(ctx, func(s domain.State) bool {
		return matches(s, f) && (page.After == nil || comparePlaces(page.Order, place(s), *page.After) > 0)
	})
	slices.SortFunc(found, func(a, b *domain.User) int { return comparePlaces(page.Order, place(a.State()), place(b.State())) })
	if page.After == nil {
		found = found[min(page.Offset, len(found)):]
	}
	return toShow(found[:min(page.Limit, len(found))]), err
}

// comparePlaces compares by an order, texts by their octets.
func comparePlaces(o application.Order, a, b application.Place) int {
	direction := 1
	if o.Descending {
		direction = -1
	}
	return direction * cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Text, b.Text), bytes.Compare(a.ID[:], b.ID[:]))
}

// toShow removes what List and ByIDs do not read.
func toShow(found []*domain.User) []*domain.User {
	for i, u := range found {
		state := u.State()
		state.PasswordHash = nil
		found[i] = domain.Restore(state)
	}
	return found
}

func (r memoryUsers) Count(ctx context.Context, f application.Filter) (int64, error) {
	found, err := r.all(ctx, func(s domain.State) bool { return matches(s, f) })
	if f.Search != nil {
		found = found[:min(len(found), application.MaxFound)]
	}
	return int64(len(found)), err
}

func (r memoryUsers) Stats(ctx context.Context, since time.Time) (users.Stats, error) {
	stats := users.Stats{ByRole: map[users.Role]int64{}}
	for _, role := range users.Roles() {
		stats.ByRole[role] = 0
	}
	found, err := r.all(ctx, func(domain.State) bool { return true })
	for _, u := range found {
		stats.Total++
		stats.ByRole[u.Role()]++
		if u.IsActive() {
			stats.Active++
		}
		if !u.State().CreatedAt.Before(since) {
			stats.Signups24h++
		}
	}
	return stats, err
}

func (r memoryUsers) AdminExists(ctx context.Context) (bool, error) {
	found, err := r.all(ctx, func(s domain.State) bool { return s.Role == users.Admin })
	return len(found) > 0, err
}

func (r memoryUsers) OtherActiveAdmin(ctx context.Context, id users.ID) (bool, error) {
	found, err := r.all(ctx, func(s domain.State) bool { return s.Role == users.Admin && s.IsActive && s.ID != id })
	return len(found) > 0, err
}

// one returns the user that has a unique property.
func (r memoryUsers) one(ctx context.Context, has func(domain.State) bool) (*domain.User, error) {
	found, err := r.all(ctx, has)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, users.ErrNotFound
	}
	return found[0], nil
}

// all returns the users that match, newest first.
func (r memoryUsers) all(ctx context.Context, match func(domain.State) bool) ([]*domain.User, error) {
	var found []*domain.User
	err := r.m.do(ctx, func(t tables) error {
		for _, state := range t.users {
			if match(state) {
				found = append(found, domain.Restore(state))
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b *domain.User) int { return newestFirst(a.State(), b.State()) })
	return found, err
}

func newestFirst(a, b domain.State) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(b.ID[:], a.ID[:]))
}

func matches(s domain.State, f application.Filter) bool {
	return (f.Role == nil || s.Role == *f.Role) &&
		(f.IsActive == nil || s.IsActive == *f.IsActive) &&
		(f.EmailVerified == nil || s.EmailVerified == *f.EmailVerified) &&
		(f.IsOrganizer == nil || s.IsOrganizer == *f.IsOrganizer) &&
		(f.CreatedFrom == nil || !s.CreatedAt.Before(*f.CreatedFrom)) &&
		(f.CreatedTo == nil || !s.CreatedAt.After(*f.CreatedTo)) &&
		matchesSearch(s, f.Search)
}

func matchesSearch(s domain.State, search domain.Search) bool {
	texts := []string{s.FirstName, s.LastName, s.Email}
	if s.Phone != nil {
		texts = append(texts, *s.Phone)
	}
	return !slices.ContainsFunc(search, func(word domain.Word) bool {
		found := strings.Contains
		if word.Initial {
			found = strings.HasPrefix
		}
		return !slices.ContainsFunc(texts, func(text string) bool { return found(strings.ToLower(text), strings.ToLower(word.Text)) })
	})
}
