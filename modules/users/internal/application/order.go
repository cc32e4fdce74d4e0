package application

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// SortKey is what a list of users can be sorted by.
type SortKey string

// The sort keys. Texts come in the order of the database's collation; who has never logged in comes before all who have.
const (
	SortByCreation  SortKey = "createdAt"
	SortByLastLogin SortKey = "lastLoginAt"
	SortByEmail     SortKey = "email"
	SortByLastName  SortKey = "lastName"
)

// SortKeys returns all sort keys.
func SortKeys() []SortKey {
	return []SortKey{SortByCreation, SortByLastLogin, SortByEmail, SortByLastName}
}

// IsTime tells whether users are sorted by a time, or by a text.
func (k SortKey) IsTime() bool { return k == SortByCreation || k == SortByLastLogin }

// Order is the order of a list of users. Those who are equal in it come in the order of their IDs, in the same direction.
type Order struct {
	By         SortKey
	Descending bool
}

// NewestFirst is the order of a list when nothing else is asked for.
var NewestFirst = Order{By: SortByCreation, Descending: true}

// ParseOrder reads a sort key, with a "-" before it for descending.
func ParseOrder(text string) (Order, *domain.Violation) {
	key, descending := strings.CutPrefix(text, "-")
	if !slices.Contains(SortKeys(), SortKey(key)) {
		return Order{}, &domain.Violation{Code: domain.CodeInvalid, Message: "must be createdAt, lastLoginAt, email or lastName, with - before it for descending"}
	}
	return Order{By: SortKey(key), Descending: descending}, nil
}

// Place is a place in a list in some order: just after a user, who need not be there any more.
type Place struct {
	Time time.Time // what they are sorted by, if it is a time; zero: they have never logged in
	Text string    // likewise, if it is a text
	ID   users.ID
}

// PlaceOf returns the place of a user.
func (o Order) PlaceOf(u users.User) Place {
	p := Place{ID: u.ID}
	switch o.By {
	case SortByCreation:
		p.Time = u.CreatedAt
	case SortByLastLogin:
		if u.LastLoginAt != nil {
			p.Time = *u.LastLoginAt
		}
	case SortByEmail:
		p.Text = u.Email
	case SortByLastName:
		p.Text = u.LastName
	}
	return p
}

const (
	placeHead = 1 + 16 // which order it is, and the ID
	timeSize  = 8
	// maxPlaceText is the most octets of a text that users are sorted by: 100 code points.
	maxPlaceText = 100 * utf8.UTFMax
	// never is the time that stands for none.
	never = math.MinInt64
)

// number is different for each order.
func (o Order) number() byte {
	n := byte(2 * slices.Index(SortKeys(), o.By)) //nolint:gosec // there are four
	if o.Descending {
		n++
	}
	return n
}

// Cursor returns a place in the order as URL-safe base64.
func (o Order) Cursor(p Place) string {
	raw := append([]byte{o.number()}, p.ID[:]...)
	if o.By.IsTime() {
		micros := int64(never)
		if !p.Time.IsZero() {
			micros = p.Time.UnixMicro()
		}
		raw = binary.BigEndian.AppendUint64(raw, uint64(micros)) //nolint:gosec // ParseCursor undoes it
	}
	return base64.RawURLEncoding.EncodeToString(append(raw, p.Text...))
}

// ParseCursor reads what Cursor wrote for the same order.
func (o Order) ParseCursor(text string) (Place, *domain.Violation) {
	invalid := &domain.Violation{Code: domain.CodeInvalid, Message: "is not a cursor of this list in this order"}
	size := base64.RawURLEncoding.DecodedLen(len(text))
	raw, ok := domain.DecodeExactly(text, size)
	if !ok || size < placeHead || raw[0] != o.number() {
		return Place{}, invalid
	}
	p, rest := Place{ID: users.ID(raw[1:placeHead])}, raw[placeHead:]
	if !o.By.IsTime() {
		p.Text = string(rest)
		if len(rest) > maxPlaceText || !utf8.Valid(rest) || strings.ContainsRune(p.Text, 0) {
			return Place{}, invalid
		}
		return p, nil
	}
	if len(rest) != timeSize {
		return Place{}, invalid
	}
	micros := int64(binary.BigEndian.Uint64(rest)) //nolint:gosec // undoes the conversion of Cursor
	if micros == never && o.By == SortByLastLogin {
		return p, nil
	}
	p.Time, ok = storedTime(micros)
	if !ok {
		return Place{}, invalid
	}
	return p, nil
}

// storedTime returns a time that may be in the database, in UTC.
func storedTime(micros int64) (time.Time, bool) {
	at := time.UnixMicro(micros).UTC()
	return at, at.Year() >= 1970 && at.Year() <= 9999
}
