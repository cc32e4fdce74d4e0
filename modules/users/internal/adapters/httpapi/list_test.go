package httpapi_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// listing is an answer of GET /api/users.
type listing struct {
	Data []struct{ Email string }
	Meta struct {
		Total, Limit, TotalPages int
		Page                     *int
		NextCursor               *string
	}
}

func (l listing) emails() []string {
	found := []string{}
	for _, u := range l.Data {
		found = append(found, strings.TrimSuffix(u.Email, "@example.com"))
	}
	return found
}

func (w *world) list(token, query string) listing {
	w.t.Helper()
	var l listing
	w.send("GET /api/users"+query, token, "").is(http.StatusOK).into(&l)
	return l
}

func TestListAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	u := w.account("ana@example.com", withNumber(true))
	admin := w.list(token, "?limit=1&page=2")
	require.Equal(t, []string{"admin"}, admin.emails())
	require.Nil(t, admin.Meta.NextCursor)

	first := w.send("GET /api/users?limit=1", token, "").is(http.StatusOK)
	var l listing
	first.into(&l)
	require.JSONEq(t, fmt.Sprintf(
		`{"data":[%s],"meta":{"total":2,"page":1,"limit":1,"totalPages":2,"nextCursor":"%s"}}`, profileJSON(u), *l.Meta.NextCursor,
	), first.Body.String())

	rest := w.send("GET /api/users?limit=1&cursor="+*l.Meta.NextCursor, token, "").is(http.StatusOK)
	require.Contains(t, rest.Body.String(), `"meta":{"total":2,"page":null,"limit":1,"totalPages":2,"nextCursor":null}`)
	none := w.send("GET /api/users?role=ORGANIZER", token, "").is(http.StatusOK)
	require.JSONEq(t, `{"data":[],"meta":{"total":0,"page":1,"limit":20,"totalPages":0,"nextCursor":null}}`, none.Body.String())
}

func TestListPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	newest := []string{"admin"}
	for i := range 24 {
		name := fmt.Sprintf("u%02d", i)
		w.account(name + "@example.com")
		newest = append([]string{name}, newest...)
	}
	require.Equal(t, newest[:20], w.list(token, "").emails())
	require.Equal(t, newest[:20], w.list(token, "?page=1&limit=20&sort=-createdAt").emails())
	require.Equal(t, newest[20:], w.list(token, "?page=2").emails())
	require.Empty(t, w.list(token, "?page=3").emails())
	require.Empty(t, w.list(token, "?page=1000000&limit=1").emails())
	require.Equal(t, newest, w.list(token, "?limit=100").emails())
	require.Equal(t, newest[:1], w.list(token, "?limit=1").emails())
	require.Equal(t, newest[:20], w.list(token, "?page=&limit=&cursor=&role=&isActive=&createdFrom=").emails(), "empty is not given")

	followed, query := []string{}, "?limit=5"
	for page := 1; ; page++ {
		l := w.list(token, query)
		require.Len(t, l.Data, 5)
		require.Equal(t, l.emails(), w.list(token, fmt.Sprintf("?limit=5&page=%d", page)).emails())
		require.Equal(t, 25, l.Meta.Total)
		require.Equal(t, 5, l.Meta.TotalPages)
		followed = append(followed, l.emails()...)
		if l.Meta.NextCursor == nil {
			break
		}
		require.Equal(t, url.QueryEscape(*l.Meta.NextCursor), *l.Meta.NextCursor, "a cursor is URL-safe")
		query = "?limit=5&cursor=" + *l.Meta.NextCursor
	}
	require.Equal(t, newest, followed)
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	at := func(text string) func(*domain.State) {
		return func(s *domain.State) {
			created, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
			s.CreatedAt = created
		}
	}
	w.account("last@example.com", at("2026-01-31T23:59:59.999999Z"), unverified)
	w.account("noon@example.com", at("2026-01-31T12:00:00Z"), inRole(users.Organizer))
	w.account("first@example.com", at("2026-01-31T00:00:00Z"), deactivated)
	w.account("before@example.com", at("2026-01-30T23:59:59.999999Z"), inRole(users.Admin), func(s *domain.State) { s.IsOrganizer = true })
	for query, want := range map[string][]string{
		"role=PARTICIPANT":                            {"last", "first"},
		"role=ORGANIZER":                              {"noon"},
		"role=ADMIN":                                  {"admin", "before"},
		"isActive=true":                               {"admin", "last", "noon", "before"},
		"isActive=false":                              {"first"},
		"emailVerified=true":                          {"admin", "noon", "first", "before"},
		"emailVerified=false":                         {"last"},
		"isOrganizer=true":                            {"noon", "before"},
		"isOrganizer=false":                           {"admin", "last", "first"},
		"role=ADMIN&isOrganizer=true":                 {"before"},
		"createdFrom=2026-01-31":                      {"admin", "last", "noon", "first"},
		"createdFrom=2026-02-01":                      {"admin"},
		"createdTo=2026-01-31":                        {"last", "noon", "first", "before"},
		"createdTo=2026-01-30":                        {"before"},
		"createdFrom=2026-01-31&createdTo=2026-01-31": {"last", "noon", "first"},
		"createdFrom=2026-01-31T12:00:00Z&createdTo=2026-01-31":     {"last", "noon"},
		"createdTo=2026-01-31T12:00:00Z":                            {"noon", "first", "before"},
		"createdTo=2026-01-31T11:59:59.999999Z":                     {"first", "before"},
		"createdFrom=2026-01-31T13:00:00%2B01:00":                   {"admin", "last", "noon"},
		"createdFrom=2026-01-31T07:00:00.000001-05:00":              {"admin", "last"},
		"createdFrom=0001-01-01&createdTo=9999-12-31T23:59:59.999Z": {"admin", "last", "noon", "first", "before"},
		"q=":                          {"admin", "last", "noon", "first", "before"},
		"q=NOON":                      {"noon"},
		"q=f":                         {"first"},
		"q=st%40example":              {"last", "first"},
		"q=example.com+no&role=ADMIN": {},
		"q=example&isActive=false":    {"first"},
		"q=nobody":                    {},
	} {
		l := w.list(token, "?"+query)
		require.Equal(t, want, l.emails(), query)
		require.Equal(t, len(want), l.Meta.Total, query)
	}
}

// TestListOrders sorts by each key, and goes on by the cursor.
func TestListOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin() // admin@example.com, who has logged in
	w.account("bob@example.com", func(s *domain.State) { s.LastName = "Zidi" })
	w.account("ana@example.com", func(s *domain.State) { s.LastName = "Ayari" })
	w.login("bob@example.com")
	for sort, want := range map[string][]string{
		"createdAt":   {"admin", "bob", "ana"},
		"-createdAt":  {"ana", "bob", "admin"},
		"lastLoginAt": {"ana", "admin", "bob"},
		"email":       {"admin", "ana", "bob"},
		"-email":      {"bob", "ana", "admin"},
		"lastName":    {"ana", "admin", "bob"},
		"-lastName":   {"bob", "admin", "ana"},
	} {
		var got []string
		query := "?limit=2&sort=" + sort
		for range 2 {
			l := w.list(token, query)
			for _, email := range l.emails() {
				got = append(got, strings.TrimSuffix(email, "@example.com"))
			}
			require.Equal(t, 3, l.Meta.Total)
			if l.Meta.NextCursor != nil {
				query = "?limit=2&sort=" + sort + "&cursor=" + *l.Meta.NextCursor
			}
		}
		require.Equal(t, want, got, sort)
	}
}

func TestWrongListParameters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	w.account("ana@example.com")
	cursor := *w.list(token, "?limit=1").Meta.NextCursor
	for query, want := range map[string][]string{
		"page=0":                             {"page out_of_range"},
		"page=-1":                            {"page out_of_range"},
		"page=1000001":                       {"page out_of_range"},
		"page=10002&limit=100":               {"page out_of_range"},
		"page=99999999999999999999":          {"page invalid_type"},
		"page=9223372036854775807&limit=100": {"page out_of_range"},
		"page=one":                           {"page invalid_type"},
		"page=1.5":                           {"page invalid_type"},
		"limit=0":                            {"limit out_of_range"},
		"limit=-1":                           {"limit out_of_range"},
		"limit=101":                          {"limit out_of_range"},
		"limit=x":                            {"limit invalid_type"},
		"page=0&limit=101&cursor=":           {"limit out_of_range", "page out_of_range"},
		"cursor=x":                           {"cursor invalid"},
		"cursor=" + cursor + "A":             {"cursor invalid"},
		"cursor=" + cursor[1:]:               {"cursor invalid"},
		"cursor=" + cursor + "%0A":           {"cursor invalid"},
		"cursor=" + cursor + "&page=1":       {"page invalid"},
		"role=admin":                         {"role invalid"},
		"isActive=maybe":                     {"isActive invalid_type"},
		"emailVerified=2":                    {"emailVerified invalid_type"},
		"isOrganizer=null":                   {"isOrganizer invalid_type"},
		"createdFrom=yesterday":              {"createdFrom invalid"},
		"createdFrom=0000-01-01":             {"createdFrom invalid"},
		"createdTo=0000-12-31T23:59:59Z":     {"createdTo invalid"},
		"createdFrom=0001-01-01T00:00:00%2B23:59":     {"createdFrom invalid"},
		"createdTo=9999-12-31T23:59:59-01:00":         {"createdTo invalid"},
		"createdFrom=2026-02-30":                      {"createdFrom invalid"},
		"createdFrom=2026-1-1":                        {"createdFrom invalid"},
		"createdFrom=2026-01-31T12:00:00":             {"createdFrom invalid"},
		"createdFrom=2026-01-31T13:00:00+01:00":       {"createdFrom invalid"}, // a plus is a space in a query
		"createdTo=1769860800":                        {"createdTo invalid"},
		"createdFrom=2026-02-01&createdTo=2026-01-31": {"createdTo out_of_range"},
		"sort=password":                               {"sort invalid"},
		"sort=--email":                                {"sort invalid"},
		"sort=email&cursor=" + cursor:                 {"cursor invalid"}, // of another order
		"q=%25":                                       {"q invalid"},
		"q=" + strings.Repeat("a", 101):               {"q too_long"},
		"q=a%E2%80%AEb":                               {"q invalid"},
		"Limit=5":                                     {"Limit invalid"},
		"unknown=1&limit=5":                           {"unknown invalid"},
		"role=root&limit=101&cursor=x&page=0":         {"cursor invalid", "limit out_of_range", "page invalid", "role invalid"},
		"role=root&sort=phone&createdFrom=x&isActive=maybe&page=one": {
			"createdFrom invalid", "isActive invalid_type", "page invalid_type", "role invalid", "sort invalid",
		},
	} {
		t.Run(query, func(t *testing.T) {
			w.send("GET /api/users?"+query, token, "").names(want...)
		})
	}
	for _, query := range []string{"?limit=%zz", "?cursor=%ff", "?role=%00", "?page=1;limit=2"} {
		w.send("GET /api/users"+query, token, "").problem(http.StatusBadRequest, "malformed_request")
	}
}

// Whatever becomes of a cursor on its way, it is a position in the list or wrong.
func TestTamperedCursors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin()
	w.account("ana@example.com")
	for _, sort := range []string{"-createdAt", "lastLoginAt", "email", "lastName"} {
		cursor := *w.list(token, "?limit=1&sort="+sort).Meta.NextCursor
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		require.NoError(t, err)
		check := func(tampered string) {
			a := w.send("GET /api/users?sort="+sort+"&cursor="+url.QueryEscape(tampered), token, "")
			if a.Code != http.StatusOK {
				a.names("cursor invalid")
			}
		}
		for i := range raw {
			for bit := range 8 {
				flipped := append([]byte{}, raw...)
				flipped[i] ^= 1 << bit
				check(base64.RawURLEncoding.EncodeToString(flipped))
			}
		}
		for i := range cursor {
			for _, c := range []string{"", "A", "_", "-", "+", "/", "=", " ", "\n", "é"} {
				check(cursor[:i] + c + cursor[i+1:])
			}
		}
	}
}
