package integrity

import (
	"cmp"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nobody is an ID that no account has.
const nobody = "00000000-0000-7000-8000-000000000000"

// page is an answer to a list.
type page struct {
	Data []profile
	Meta struct {
		Total      int
		NextCursor *string
	}
}

// filters are the questions that a list can be asked, and whether a profile answers them.
var filters = []struct {
	name, value string
	matches     func(profile) bool
}{
	{"role", "ADMIN", func(p profile) bool { return p.Role == "ADMIN" }},
	{"role", "ORGANIZER", func(p profile) bool { return p.Role == "ORGANIZER" }},
	{"role", "PARTICIPANT", func(p profile) bool { return p.Role == "PARTICIPANT" }},
	{"isActive", "true", func(p profile) bool { return p.IsActive }},
	{"isActive", "false", func(p profile) bool { return !p.IsActive }},
	{"emailVerified", "true", func(p profile) bool { return p.EmailVerified }},
	{"emailVerified", "false", func(p profile) bool { return !p.EmailVerified }},
	{"isOrganizer", "true", func(p profile) bool { return p.IsOrganizer }},
	{"isOrganizer", "false", func(p profile) bool { return !p.IsOrganizer }},
	{"q", "LE.COM", func(p profile) bool { return p.has(strings.Contains, "le.com") }},
	{"q", "a", func(p profile) bool { return p.has(strings.HasPrefix, "a") }},
	{"q", "+21 LE", func(p profile) bool { return p.has(strings.Contains, "+21") && p.has(strings.HasPrefix, "le") }},
}

// has reports whether what is searched of the account has a part, in lower case, where found looks for it.
func (p profile) has(found func(text, part string) bool, part string) bool {
	searched := []string{p.FirstName, p.LastName, p.Email}
	if p.Phone != nil {
		searched = append(searched, *p.Phone)
	}
	return slices.ContainsFunc(searched, func(text string) bool { return found(strings.ToLower(text), part) })
}

// list walks some pages of the accounts that match one or two filters, all of them or those made when the own account was.
func (c *client) list() {
	one, other := pick(c.draw, filters...), pick(c.draw, filters...)
	query := url.Values{one.name: {one.value}}
	matches := one.matches
	if one.name != other.name {
		query.Set(other.name, other.value)
		matches = func(p profile) bool { return one.matches(p) && other.matches(p) }
	}
	made := c.account.CreatedAt
	narrow := chance(c.draw, 40)
	if narrow {
		query.Set("createdFrom", made.Format(time.RFC3339Nano))
		query.Set("createdTo", made.Format(time.RFC3339Nano))
	}
	found := c.walk(query, 1+c.draw.IntN(10), 3)
	for _, p := range found {
		c.True(matches(p), "%v of %+v", query, p)
		c.True(!narrow || p.CreatedAt.Equal(made))
	}
	if narrow {
		own := slices.ContainsFunc(found, func(p profile) bool { return p.ID == c.account.ID })
		c.Equal(matches(c.account.profile), own)
	}
}

// walk follows the cursors of a list for so many pages at most, and returns what is on them.
func (c *client) walk(query url.Values, limit, pages int) []profile {
	query.Set("limit", strconv.Itoa(limit))
	var found []profile
	for range pages {
		a := c.asAdmin("GET", "/api/users?"+query.Encode(), nil)
		c.is(a, "200")
		p := decoded[page](c, a)
		found = append(found, p.Data...)
		if p.Meta.NextCursor == nil {
			break
		}
		c.Len(p.Data, limit, "a page that is not the last is full")
		query.Set("cursor", *p.Meta.NextCursor)
	}
	newestFirst := func(a, b profile) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID))
	}
	c.True(slices.IsSortedFunc(found, newestFirst))
	c.Len(slices.CompactFunc(slices.Clone(found), func(a, b profile) bool { return a.ID == b.ID }), len(found), "nobody is listed twice")
	for _, p := range found {
		c.meet(p)
		if p.ID == c.account.ID {
			c.recognise(p)
		}
	}
	return found
}

// batch asks for accounts by their IDs, some of them twice and one that nobody has.
func (c *client) batch() {
	asked := []string{c.account.ID, nobody, c.world.council[council[0]]}
	for range 4 {
		if _, id := c.anybody(); id != "" {
			asked = append(asked, id)
		}
	}
	c.draw.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	a := c.asAdmin("POST", "/api/users/batch", object{"ids": append(asked, asked[0])})
	c.is(a, "200")
	answered := decoded[struct {
		Data    []profile
		Missing []string
	}](c, a)
	c.Equal([]string{nobody}, answered.Missing)
	var want, got []string
	for _, id := range asked {
		if id != nobody && !slices.Contains(want, id) {
			want = append(want, id)
		}
	}
	for _, p := range answered.Data {
		got = append(got, p.ID)
		c.meet(p)
		if p.ID == c.account.ID {
			c.recognise(p)
		}
	}
	c.Equal(want, got)
}

// count requires, while nobody does anything else, that exactly the accounts are there that should be, as they should be.
func (c *client) count(players []*client) {
	c.doing = "count"
	found := map[string]profile{}
	for _, p := range c.walk(url.Values{}, 100, math.MaxInt) {
		found[p.Email] = p
	}
	want := slices.Clone(council)
	for _, other := range players {
		want = append(want, other.account.Email)
		other.recognise(found[other.account.Email])
	}
	for _, x := range c.world.known {
		if x.taken {
			want = append(want, x.email)
		}
		x.last = found[x.email]
		c.Equal(x.verified == 1, x.last.EmailVerified)
	}
	c.ElementsMatch(want, slices.Collect(maps.Keys(found)))

	active := 0
	for _, p := range found {
		if p.IsActive {
			active++
		}
	}
	stats := decoded[struct{ Total, Active int }](c, c.asAdmin("GET", "/api/users/stats", nil))
	total := decoded[page](c, c.asAdmin("GET", "/api/users", nil)).Meta.Total
	c.Equal([]int{len(want), len(want), active}, []int{total, stats.Total, stats.Active})
}
