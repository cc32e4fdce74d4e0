package application

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Filter narrows a list. nil fields do not.
type Filter struct {
	Role          *users.Role
	IsActive      *bool
	EmailVerified *bool
	IsOrganizer   *bool
	CreatedFrom   *time.Time // inclusive
	CreatedTo     *time.Time // inclusive
	Search        domain.Search
}

// Page is a part of a list in an order: Limit users after After, or after the first Offset when After is nil. Total is how many match
// the filter, as they were counted.
type Page struct {
	Order  Order
	Limit  int
	Offset int
	After  *Place
	Total  int64
}

// Cursor is a position among what is read by age alone, such as an audit trail.
type Cursor struct {
	CreatedAt time.Time
	ID        users.ID
}

const cursorSize = 8 + 16

// String returns the cursor as 32 characters of URL-safe base64.
func (c Cursor) String() string {
	raw := make([]byte, 0, cursorSize)
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.CreatedAt.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, c.ID[:]...))
}

// ParseCursor reads what String wrote.
func ParseCursor(text string) (Cursor, *domain.Violation) {
	raw, ok := domain.DecodeExactly(text, cursorSize)
	if !ok {
		return Cursor{}, &domain.Violation{Code: domain.CodeInvalid, Message: "is not a cursor of this list"}
	}
	at, ok := storedTime(int64(binary.BigEndian.Uint64(raw))) //nolint:gosec // undoes the conversion of String
	if !ok {
		return Cursor{}, &domain.Violation{Code: domain.CodeInvalid, Message: "is not a cursor of this list"}
	}
	return Cursor{CreatedAt: at, ID: users.ID(raw[8:])}, nil
}

// Limits of a list.
const (
	DefaultLimit = 20
	MaxLimit     = 100
	// MaxOffset bounds how many rows a page number may skip: each costs time. A cursor has no such limit.
	MaxOffset = 1_000_000
	// MaxFound bounds how many users are counted that a search finds: each is read for it.
	MaxFound = 10_000
)

// Listing asks for a part of the list of users: by page number, or by the cursor that an earlier answer gave in the same order.
type Listing struct {
	Filter
	Order  Order // the zero value: NewestFirst
	Page   int   // from 1
	Limit  int   // 1 to MaxLimit
	Cursor string
}

// Listed is a part of the list of users.
type Listed struct {
	Users []users.User
	Total int64 // of all that match the filter; of a search, MaxFound at most
	Limit int
	Page  int    // 0 when asked by cursor
	Next  string // cursor of what follows, empty at the end
}

func checkLimit(invalid *domain.InvalidError, limit int) {
	if limit < 1 || limit > MaxLimit {
		invalid.Add("limit", &domain.Violation{Code: domain.CodeOutOfRange, Message: "must be between 1 and 100"})
	}
}

func (l Listing) parse() (Page, error) {
	var invalid domain.InvalidError
	page := Page{Order: cmp.Or(l.Order, NewestFirst), Limit: l.Limit, Offset: (l.Page - 1) * l.Limit}
	checkLimit(&invalid, l.Limit)
	switch {
	case l.Page < 1 || l.Page > MaxOffset:
		invalid.Add("page", &domain.Violation{Code: domain.CodeOutOfRange, Message: "must be between 1 and 1000000"})
	case page.Offset > MaxOffset:
		invalid.Add("page", &domain.Violation{Code: domain.CodeOutOfRange, Message: "is too far in; follow nextCursor instead"})
	case l.Search != nil && page.Offset >= MaxFound:
		invalid.Add("page", &domain.Violation{Code: domain.CodeOutOfRange, Message: "is too far in for a search; follow nextCursor instead"})
	}
	if l.Cursor != "" {
		after := domain.Field(&invalid, "cursor", l.Cursor, page.Order.ParseCursor)
		page.After, page.Offset = &after, 0
	}
	if l.CreatedFrom != nil && l.CreatedTo != nil && l.CreatedTo.Before(*l.CreatedFrom) {
		invalid.Add("createdTo", &domain.Violation{Code: domain.CodeOutOfRange, Message: "must not be before createdFrom"})
	}
	return page, invalid.Err()
}

// Validate fails with *domain.InvalidError naming every wrong field.
func (l Listing) Validate() error {
	_, err := l.parse()
	return err
}

// List returns a part of the list of users. It fails with users.ErrForbidden or *domain.InvalidError.
func (s *Service) List(ctx context.Context, actor Actor, l Listing) (Listed, error) {
	if err := actor.May(ListUsers); err != nil {
		return Listed{}, err
	}
	page, err := l.parse()
	if err != nil {
		return Listed{}, err
	}
	total, err := s.Users.Count(ctx, l.Filter)
	if err != nil {
		return Listed{}, err
	}
	page.Total = total
	listed := Listed{Total: total, Limit: page.Limit, Page: l.Page}
	if page.After != nil {
		listed.Page = 0
	}
	page.Limit++ // one more tells whether anything follows
	found, err := s.Users.List(ctx, l.Filter, page)
	if err != nil {
		return Listed{}, err
	}
	listed.Users = viewsOf(found)
	if len(listed.Users) == page.Limit {
		listed.Users = listed.Users[:listed.Limit]
		listed.Next = page.Order.Cursor(page.Order.PlaceOf(listed.Users[listed.Limit-1]))
	}
	return listed, nil
}
