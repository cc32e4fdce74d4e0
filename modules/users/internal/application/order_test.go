package application_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

// orders returns all orders.
func orders() []application.Order {
	var all []application.Order
	for _, key := range application.SortKeys() {
		all = append(all, application.Order{By: key}, application.Order{By: key, Descending: true})
	}
	return all
}

func TestParseOrder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]application.Order{
		"createdAt": {By: application.SortByCreation}, "-createdAt": application.NewestFirst, "lastLoginAt": {By: application.SortByLastLogin},
		"email": {By: application.SortByEmail}, "-lastName": {By: application.SortByLastName, Descending: true},
	} {
		got, violation := application.ParseOrder(text)
		require.Nil(t, violation)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "-", "--email", "+email", "Email", "email ", "password", "created_at", "email,lastName", "email;"} {
		_, violation := application.ParseOrder(text)
		require.NotNil(t, violation, text)
	}
}

// TestEveryOrderCutsTheListWithoutGaps, by page and by cursor.
func TestEveryOrderCutsTheListWithoutGaps(t *testing.T) {
	t.Parallel()
	w, admin, newestFirst := crowd(t, 7)
	w.login("user3@example.com")
	for _, order := range orders() {
		whole, err := w.List(t.Context(), admin, application.Listing{Order: order, Page: 1, Limit: 100})
		require.NoError(t, err)
		require.Len(t, whole.Users, len(newestFirst))
		next := application.Listing{Order: order, Page: 1, Limit: 3}
		var got []users.User
		for {
			listed, err := w.List(t.Context(), admin, next)
			require.NoError(t, err)
			got = append(got, listed.Users...)
			if listed.Next == "" {
				break
			}
			next.Cursor = listed.Next
		}
		require.Equal(t, whole.Users, got, order)
	}
}

func TestPlaceRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := users.User{
			ID:        uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			CreatedAt: time.UnixMicro(rapid.Int64Range(0, 253402300799999999).Draw(t, "created")).UTC(),
			Email:     rapid.StringMatching(`[a-z]{1,64}@[a-z]{1,60}\.example`).Draw(t, "email"),
			LastName:  strings.ReplaceAll(rapid.StringN(1, 100, -1).Draw(t, "name"), "\x00", ""),
		}
		if rapid.Bool().Draw(t, "logged in") {
			u.LastLoginAt = &u.CreatedAt
		}
		order := rapid.SampledFrom(orders()).Draw(t, "order")
		cursor := order.Cursor(order.PlaceOf(u))
		require.Regexp(t, `^[A-Za-z0-9_-]+$`, cursor)
		place, violation := order.ParseCursor(cursor)
		require.Nil(t, violation)
		require.Equal(t, order.PlaceOf(u), place)
		for _, other := range orders() {
			if other != order {
				_, violation := other.ParseCursor(cursor)
				require.NotNil(t, violation, "a cursor of another order")
			}
		}
	})
}

func TestParsePlaceRefuses(t *testing.T) {
	t.Parallel()
	byEmail, byLogin, byCreation := application.Order{By: application.SortByEmail}, application.Order{By: application.SortByLastLogin}, application.NewestFirst
	valid := byEmail.Cursor(application.Place{Text: "ana@example.com", ID: unknownID})
	at := func(o application.Order, micros int64) string {
		return o.Cursor(application.Place{Time: time.UnixMicro(micros), ID: unknownID})
	}
	for name, test := range map[string]struct {
		order application.Order
		text  string
	}{
		"empty":                    {byEmail, ""},
		"no order":                 {byEmail, base64.RawURLEncoding.EncodeToString(nil)},
		"short":                    {byEmail, valid[:20]},
		"padded":                   {byEmail, valid + "="},
		"standard alphabet":        {byEmail, "+" + valid[1:]},
		"line break":               {byEmail, valid[:16] + "\n" + valid[16:]},
		"too long a text":          {byEmail, byEmail.Cursor(application.Place{Text: strings.Repeat("a", 401), ID: unknownID})},
		"invalid UTF-8":            {byEmail, byEmail.Cursor(application.Place{Text: "\xff", ID: unknownID})},
		"NUL":                      {byEmail, byEmail.Cursor(application.Place{Text: "a\x00", ID: unknownID})},
		"a text for a time":        {byLogin, byLogin.Cursor(application.Place{Time: time.Unix(0, 0), Text: "x", ID: unknownID})},
		"before 1970":              {byLogin, at(byLogin, -1)},
		"after 9999":               {byCreation, at(byCreation, 253402300800000000)},
		"end of time":              {byLogin, at(byLogin, math.MaxInt64)},
		"never created":            {byCreation, byCreation.Cursor(application.Place{ID: unknownID})},
		"that of an audit trail":   {byCreation, application.Cursor{CreatedAt: time.Unix(0, 0), ID: unknownID}.String()},
		"a long text of any order": {byCreation, strings.Repeat("A", 5000)},
	} {
		_, violation := test.order.ParseCursor(test.text)
		require.NotNil(t, violation, name)
	}
}
