package application_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// crowd stores n users, three of each moment, besides an administrator who is older.
func crowd(t *testing.T, n int) (*world, application.Actor, []users.User) {
	t.Helper()
	w := newWorld(t)
	admin := w.admin()
	newestFirst := []users.User{w.stored(admin.ID)}
	for i := range n {
		if i%3 == 0 {
			w.clock.Advance(time.Microsecond)
		}
		newestFirst = append([]users.User{w.account(fmt.Sprintf("user%d@example.com", i))}, newestFirst...)
	}
	return w, admin, newestFirst
}

func TestListByPage(t *testing.T) {
	t.Parallel()
	w, admin, want := crowd(t, 10)
	for page, of := range map[int][]users.User{1: want[:4], 2: want[4:8], 3: want[8:], 4: {}} {
		listed, err := w.List(t.Context(), admin, application.Listing{Page: page, Limit: 4})
		require.NoError(t, err)
		require.Equal(t, of, listed.Users)
		require.Equal(t, int64(11), listed.Total)
		require.Equal(t, 4, listed.Limit)
		require.Equal(t, page, listed.Page)
		require.Equal(t, page <= 2, listed.Next != "", "page %d", page)
	}
	whole, err := w.List(t.Context(), admin, application.Listing{Page: 1, Limit: 11})
	require.NoError(t, err)
	require.Equal(t, want, whole.Users)
	require.Empty(t, whole.Next, "exactly full and nothing follows")
}

// Following cursors shows every user once, whatever the limit and whoever signs up meanwhile.
func TestListByCursorHasNoGaps(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 2, 3, 4, 10, 11, 100} {
		w, admin, want := crowd(t, 10)
		var got []users.User
		next := application.Listing{Page: 1, Limit: limit}
		for pages := 0; ; pages++ {
			require.LessOrEqual(t, pages, len(want))
			listed, err := w.List(t.Context(), admin, next)
			require.NoError(t, err)
			got = append(got, listed.Users...)
			if next.Cursor != "" {
				require.Zero(t, listed.Page)
			}
			if listed.Next == "" {
				break
			}
			next.Cursor = listed.Next
			w.clock.Advance(time.Microsecond)
			w.account(fmt.Sprintf("late%d@example.com", pages))
		}
		require.Equal(t, want, got, "limit %d", limit)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	w, admin, _ := crowd(t, 3)
	gone := w.account("gone@example.com", deactivated, inRole(users.Organizer))
	listed, err := w.List(t.Context(), admin, application.Listing{
		Filter: application.Filter{Role: new(users.Organizer), IsActive: new(false)}, Page: 1, Limit: 20,
	})
	require.NoError(t, err)
	require.Equal(t, []users.User{gone}, listed.Users)
	require.Equal(t, int64(1), listed.Total)
}

func TestListLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, now := w.admin(), w.clock.Now()
	window := func(from, to time.Time) application.Filter {
		return application.Filter{CreatedFrom: &from, CreatedTo: &to}
	}
	tests := map[string]struct {
		listing application.Listing
		fields  []string
	}{
		"least":                    {application.Listing{Page: 1, Limit: 1}, nil},
		"most":                     {application.Listing{Page: 1, Limit: application.MaxLimit}, nil},
		"limit 0":                  {application.Listing{Page: 1, Limit: 0}, []string{"limit"}},
		"limit over":               {application.Listing{Page: 1, Limit: application.MaxLimit + 1}, []string{"limit"}},
		"limit negative":           {application.Listing{Page: 1, Limit: -1}, []string{"limit"}},
		"page 0":                   {application.Listing{Page: 0, Limit: 1}, []string{"page"}},
		"page negative":            {application.Listing{Page: -1, Limit: 1}, []string{"page"}},
		"deepest page of one":      {application.Listing{Page: application.MaxOffset, Limit: 1}, nil},
		"one page deeper":          {application.Listing{Page: application.MaxOffset + 1, Limit: 1}, []string{"page"}},
		"deepest page of many":     {application.Listing{Page: application.MaxOffset/100 + 1, Limit: 100}, nil},
		"one deeper of many":       {application.Listing{Page: application.MaxOffset/100 + 2, Limit: 100}, []string{"page"}},
		"page beyond any number":   {application.Listing{Page: math.MaxInt, Limit: 100}, []string{"page"}},
		"deepest page of a search": {application.Listing{Filter: application.Filter{Search: domain.Search{{Text: "ana"}}}, Page: application.MaxFound / 100, Limit: 100}, nil},
		"one deeper of a search":   {application.Listing{Filter: application.Filter{Search: domain.Search{{Text: "ana"}}}, Page: application.MaxFound/100 + 1, Limit: 100}, []string{"page"}},
		"not a cursor":             {application.Listing{Page: 1, Limit: 1, Cursor: "x"}, []string{"cursor"}},
		"everything at once":       {application.Listing{Filter: window(now, now.Add(-1)), Cursor: "x"}, []string{"limit", "page", "cursor", "createdTo"}},
		"a moment":                 {application.Listing{Filter: window(now, now), Page: 1, Limit: 1}, nil},
		"a window that is upended": {application.Listing{Filter: window(now, now.Add(-1)), Page: 1, Limit: 1}, []string{"createdTo"}},
	}
	for name, test := range tests {
		_, err := w.List(t.Context(), admin, test.listing)
		if test.fields == nil {
			require.NoError(t, err, name)
			continue
		}
		requireFields(t, err, test.fields...)
	}
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(0, time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC).UnixMicro()).Draw(t, "micros")
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		c := application.Cursor{CreatedAt: time.UnixMicro(micros).UTC(), ID: id}
		require.Regexp(t, `^[A-Za-z0-9_-]{32}$`, c.String())
		again, violation := application.ParseCursor(c.String())
		require.Nil(t, violation)
		require.Equal(t, c, again)
	})
}

func TestParseCursorRefuses(t *testing.T) {
	t.Parallel()
	valid := application.Cursor{CreatedAt: time.Unix(0, 0).UTC(), ID: unknownID}.String()
	at := func(micros int64) string {
		return application.Cursor{CreatedAt: time.UnixMicro(micros), ID: unknownID}.String()
	}
	for name, text := range map[string]string{
		"empty":             "",
		"short":             valid[:31],
		"long":              valid + "AAAA",
		"padded":            valid + "=",
		"standard alphabet": "+" + valid[1:],
		"line break":        valid[:16] + "\n" + valid[16:],
		"before 1970":       at(-1),
		"after 9999":        at(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()),
		"end of time":       at(math.MaxInt64),
		"beginning of time": at(math.MinInt64),
		"a refresh token":   base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
	} {
		_, violation := application.ParseCursor(text)
		require.NotNil(t, violation, name)
		require.Equal(t, domain.CodeInvalid, violation.Code, name)
	}
}
