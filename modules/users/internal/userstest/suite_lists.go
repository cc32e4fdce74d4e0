package userstest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// TestListOrder checks the order among users of one moment too, and that offsets and cursors cut it without gaps.
func (s *RepositorySuite) TestListOrder() {
	var want []users.ID // newest first: three moments of three users each
	for i := range 9 {
		u := state(fmt.Sprintf("user%d@example.com", i))
		u.CreatedAt, u.PasswordHash = day.Add(time.Duration(i/3)*time.Microsecond), new("hash")
		s.insert(u)
		want = append([]users.ID{u.ID}, want...)
	}
	list := func(page application.Page) []*domain.User {
		found, err := s.db.Users.List(s.ctx, application.Filter{}, page)
		s.Require().NoError(err)
		return found
	}
	all := list(application.Page{Order: application.NewestFirst, Limit: 20})
	s.Equal(want, idsOf(all))
	for _, u := range all {
		s.Empty(u.PasswordHash())
	}
	s.Equal(want[:4], idsOf(list(application.Page{Order: application.NewestFirst, Limit: 4})))
	s.Equal(want[4:8], idsOf(list(application.Page{Order: application.NewestFirst, Limit: 4, Offset: 4})))
	s.Equal(want[8:], idsOf(list(application.Page{Order: application.NewestFirst, Limit: 4, Offset: 8})))
	s.Empty(list(application.Page{Order: application.NewestFirst, Limit: 4, Offset: 9}))
	for i, u := range all {
		after := &application.Place{Time: u.State().CreatedAt, ID: u.ID()}
		rest := want[i+1:]
		s.Equal(rest[:min(2, len(rest))], idsOf(list(application.Page{Order: application.NewestFirst, Limit: 2, After: after})), "after user %d", i)
	}
	between := &application.Place{Time: day.Add(time.Microsecond), ID: users.ID{}}
	s.Equal(want[6:], idsOf(list(application.Page{Order: application.NewestFirst, Limit: 9, After: between})), "a cursor need not be a user's")
}

// TestOrders checks each order, and that it goes on after every place without gaps.
func (s *RepositorySuite) TestOrders() {
	for name, t := range map[string]struct {
		last  string
		login *time.Time
	}{
		"a": {"Trabelsi", new(day.Add(time.Hour))},
		"b": {"Ben Salah", nil},
		"c": {"Trabelsi", new(day.Add(time.Minute))},
		"d": {"Gharbi", nil},
		"e": {"Gharbi", new(day.Add(time.Minute))},
	} {
		u := state(name + "@example.com")
		u.ID, u.LastName, u.LastLoginAt = users.ID{15: name[0]}, t.last, t.login
		u.CreatedAt = day.Add(-time.Duration(name[0]) * time.Second) // the first by name is the newest
		s.insert(u)
	}
	for key, ascending := range map[application.SortKey]string{
		application.SortByCreation: "edcba", application.SortByLastLogin: "bdcea", application.SortByEmail: "abcde", application.SortByLastName: "bdeac",
	} {
		for _, order := range []application.Order{{By: key}, {By: key, Descending: true}} {
			want := []byte(ascending)
			if order.Descending {
				slices.Reverse(want)
			}
			for total, search := range map[int64]domain.Search{0: nil, 5: {{Text: "EXAMPLE"}}, application.MaxFound: {{Text: "example"}}} {
				list := func(page application.Page) string {
					page.Order, page.Total = order, total
					return s.initials(application.Filter{Search: search}, page)
				}
				s.Equal(string(want), list(application.Page{Limit: 9}), "%v", order)
				s.Equal(string(want[2:4]), list(application.Page{Limit: 2, Offset: 2}), "%v", order)
				for i, name := range want {
					u, err := s.db.Users.ByID(s.ctx, users.ID{15: name})
					s.Require().NoError(err)
					after := order.PlaceOf(u.View())
					s.Equal(string(want[i+1:]), list(application.Page{Limit: 9, After: &after}), "%v after %c", order, name)
				}
			}
		}
	}
}

// TestFilters checks each filter alone and together, for the list and the count.
func (s *RepositorySuite) TestFilters() {
	type traits struct {
		role                          users.Role
		active, verified, isOrganizer bool
	}
	crowd := map[string]traits{
		"a": {users.Participant, true, true, false},
		"b": {users.Participant, false, false, false},
		"c": {users.Organizer, true, true, true},
		"d": {users.Organizer, false, true, true},
		"e": {users.Admin, true, false, false},
		"f": {users.Admin, true, true, true},
	}
	for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
		u, t := state(name), crowd[name]
		u.Role, u.IsActive, u.EmailVerified, u.IsOrganizer = t.role, t.active, t.verified, t.isOrganizer
		u.CreatedAt = day.Add(time.Duration(i) * time.Hour)
		s.insert(u)
	}
	hour := func(n int) *time.Time { return new(day.Add(time.Duration(n) * time.Hour)) }
	tests := map[string]struct {
		filter application.Filter
		want   string // newest first
	}{
		"none":            {application.Filter{}, "fedcba"},
		"role":            {application.Filter{Role: new(users.Organizer)}, "dc"},
		"active":          {application.Filter{IsActive: new(true)}, "feca"},
		"inactive":        {application.Filter{IsActive: new(false)}, "db"},
		"verified":        {application.Filter{EmailVerified: new(true)}, "fdca"},
		"unverified":      {application.Filter{EmailVerified: new(false)}, "eb"},
		"organizers":      {application.Filter{IsOrganizer: new(true)}, "fdc"},
		"no organizers":   {application.Filter{IsOrganizer: new(false)}, "eba"},
		"from, inclusive": {application.Filter{CreatedFrom: hour(4)}, "fe"},
		"to, inclusive":   {application.Filter{CreatedTo: hour(1)}, "ba"},
		"one moment":      {application.Filter{CreatedFrom: hour(2), CreatedTo: hour(2)}, "c"},
		"no moment":       {application.Filter{CreatedFrom: hour(3), CreatedTo: hour(2)}, ""},
		"role and active": {application.Filter{Role: new(users.Participant), IsActive: new(false)}, "b"},
		"all at once": {application.Filter{
			Role: new(users.Admin), IsActive: new(true), EmailVerified: new(true), IsOrganizer: new(true),
			CreatedFrom: hour(5), CreatedTo: hour(5),
		}, "f"},
		"all but one": {application.Filter{
			Role: new(users.Admin), IsActive: new(true), EmailVerified: new(true), IsOrganizer: new(false),
		}, ""},
	}
	for name, test := range tests {
		s.Run(name, func() {
			found, err := s.db.Users.List(s.ctx, test.filter, application.Page{Order: application.NewestFirst, Limit: 10})
			s.Require().NoError(err)
			s.Equal(test.want, strings.Join(emailsOf(found), ""))

			n, err := s.db.Users.Count(s.ctx, test.filter)
			s.Require().NoError(err)
			s.Equal(int64(len(test.want)), n)

			if len(found) > 1 {
				second, err := s.db.Users.List(s.ctx, test.filter, application.Page{Order: application.NewestFirst, Limit: 1, Offset: 1})
				s.Require().NoError(err)
				s.Equal(idsOf(found)[1:2], idsOf(second))
				after := &application.Place{Time: found[0].State().CreatedAt, ID: found[0].ID()}
				rest, err := s.db.Users.List(s.ctx, test.filter, application.Page{Order: application.NewestFirst, Limit: 10, After: after})
				s.Require().NoError(err)
				s.Equal(idsOf(found)[1:], idsOf(rest))
			}
		})
	}
}

// initials returns the first octets of the addresses in a list.
func (s *RepositorySuite) initials(f application.Filter, page application.Page) string {
	found, err := s.db.Users.List(s.ctx, f, page)
	s.Require().NoError(err)
	var initials []byte
	for _, u := range found {
		initials = append(initials, u.Email()[0])
	}
	return string(initials)
}

// TestSearch checks that all parts are looked for in all that a user is searched by, in any case of letters, and as they are written.
func (s *RepositorySuite) TestSearch() {
	for i, t := range []struct{ email, first, last, phone string }{
		{"ada@example.com", "Ada", "Lovelace", "+21620123456"},
		{"b_ob@example.com", "Élodie", "Ben Salah", ""},
		{"c%d@example.org", "O'Hara", `Back\slash`, "+33612345678"},
		{"dan@sub.example.org", "LOVE", "adalbert", ""},
	} {
		u := state(t.email)
		u.ID, u.FirstName, u.LastName, u.CreatedAt = users.ID{15: t.email[0]}, t.first, t.last, day.Add(time.Duration(i)*time.Hour)
		if t.phone != "" {
			u.Phone = &t.phone
		}
		s.insert(u)
	}
	for raw, want := range map[string]string{ // newest first
		"":                 "dcba",
		"ada":              "da",
		"ADA love":         "da",
		"lovelace ada":     "a",
		"Ada Grace":        "",
		"lace":             "a",
		"élo":              "b",
		"ÉLODIE":           "b",
		"elo":              "",
		"sa":               "",
		"be":               "b",
		"la":               "",
		"s":                "",
		"o'h":              "c",
		"O'":               "c",
		"_ob":              "b",
		"b_o":              "b",
		"c%d":              "c",
		"d%n":              "",
		"k\\s":             "c",
		"@example.org":     "c",
		"example.org":      "dc",
		"+216 20 12 34 56": "a",
		"12345":            "ca",
		"+3":               "c",
		"co":               "",
		"a..":              "",
		"20 12 34 56":      "a",
		"(+33) 612":        "c",
		"Lovelace, Ada":    "a",
		"example.com ada@": "a",
		"' OR ''='":        "",
		"love) OR (1=1":    "",
	} {
		search, violation := domain.ParseSearch(raw)
		s.Require().Nil(violation, raw)
		f := application.Filter{Search: search}
		n, err := s.db.Users.Count(s.ctx, f)
		s.Require().NoError(err)
		s.Equal(int64(len(want)), n, raw)
		for _, total := range []int64{n, application.MaxFound} {
			list := func(page application.Page) string {
				page.Order, page.Total = application.NewestFirst, total
				return s.initials(f, page)
			}
			s.Equal(want, list(application.Page{Limit: 10}), raw)
			s.Equal(want[:min(1, len(want))], list(application.Page{Limit: 1}), raw)
			s.Equal(want[min(1, len(want)):], list(application.Page{Limit: 10, Offset: 1}), raw)
			for i, name := range want {
				after := &application.Place{Time: day.Add(time.Duration(name-'a') * time.Hour), ID: users.ID{15: byte(name)}}
				s.Equal(want[i+1:], list(application.Page{Limit: 10, After: after}), raw)
			}
		}
		f.CreatedTo = new(day)
		n, err = s.db.Users.Count(s.ctx, f)
		s.Require().NoError(err)
		s.Equal(int64(strings.Count(want, "a")), n, raw)
	}
}

func emailsOf(found []*domain.User) []string {
	emails := make([]string, len(found))
	for i, u := range found {
		emails[i] = u.Email()
	}
	return emails
}
