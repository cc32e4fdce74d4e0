package integrity

import (
	"slices"
	"sync"
	"time"
)

// grace is how long an exchanged refresh token still answers with its successor.
const grace = 10 * time.Second

// session is a login as its client knows it.
type session struct {
	contested *contested // nil: of the client's own account, and nobody else ends it
	attempt   string     // that the account was activated with, when contested
	access    string
	refresh   []string  // all its tokens, the newest last
	asked     time.Time // bounds of when the newest was made
	answered  time.Time
	ended     bool
}

func newSession(p pair) *session {
	return &session{access: p.AccessToken, refresh: []string{p.RefreshToken}}
}

func alive(sessions []*session) []*session {
	return slices.DeleteFunc(slices.Clone(sessions), func(s *session) bool { return s.ended })
}

// live requires of the answer to a request of s one of these outcomes, or that the session has ended if that may be, and tells
// whether the outcome is the first one.
func (c *client) live(s *session, a answer, outcomes ...string) bool {
	const over = "401 session_ended"
	switch {
	case s.ended:
		outcomes = []string{over}
	case s.contested != nil: // somebody may have deactivated the account
		outcomes = append(outcomes, over)
	}
	ok := c.is(a, outcomes...)
	if a.outcome == over {
		s.ended = true
		return false
	}
	return ok
}

// refresh sends the newest token of a session, the one before it or an older one.
func (c *client) refresh(s *session) {
	newest := len(s.refresh) - 1
	i := newest
	switch {
	case chance(c.draw, 8):
		i = c.draw.IntN(len(s.refresh))
	case chance(c.draw, 30):
		i = max(newest-1, 0)
	}
	a := c.call("", "POST", pick(c.draw, "/api/auth/refresh", "/api/auth/refresh-token"), object{"refreshToken": s.refresh[i]})
	// The exchange happened between two moments, and so did this answer.
	mayAnswer := i == newest || i == newest-1 && a.asked.Sub(s.answered) <= grace
	mayEnd := i < newest-1 || i == newest-1 && a.answered.Sub(s.asked) > grace
	switch {
	case mayAnswer && mayEnd:
		c.live(s, a, "200", "401 session_ended")
	case mayAnswer:
		c.live(s, a, "200")
	default:
		c.is(a, "401 session_ended")
	}
	if a.outcome != "200" {
		c.over(s)
		return
	}
	p := c.paired(a)
	s.access = p.AccessToken
	if i < newest {
		c.Equal(s.refresh[newest], p.RefreshToken, "a token has one successor")
		return
	}
	c.NotContains(s.refresh, p.RefreshToken)
	s.refresh, s.asked, s.answered = append(s.refresh, p.RefreshToken), a.asked, a.answered
}

// refreshTwice sends the newest token to both instances at once, as two tabs do.
func (c *client) refreshTwice(s *session) {
	newest := s.refresh[len(s.refresh)-1]
	answers := make([]answer, len(c.world.programs))
	var both sync.WaitGroup
	for i, p := range c.world.programs {
		both.Go(func() { answers[i] = c.send(p, "", "POST", "/api/auth/refresh", object{"refreshToken": newest}) })
	}
	both.Wait()
	ended := s.ended
	for _, a := range answers {
		one := *s // whether the account was deactivated before, between or after the two nobody knows
		c.live(&one, a, "200")
		ended = ended || one.ended
	}
	if ended {
		c.over(s)
		return
	}
	first, second := c.paired(answers[0]), c.paired(answers[1])
	c.Equal(first.RefreshToken, second.RefreshToken, "a token has one successor")
	s.access = pick(c.draw, first.AccessToken, second.AccessToken)
	s.refresh = append(s.refresh, first.RefreshToken)
	s.asked, s.answered = answers[0].asked, answers[0].answered
	if answers[1].asked.Before(s.asked) {
		s.asked = answers[1].asked
	}
	if answers[1].answered.After(s.answered) {
		s.answered = answers[1].answered
	}
}

// logOut ends a session by any token that it ever had.
func (c *client) logOut(s *session) {
	c.is(c.call("", "POST", "/api/auth/logout", object{"refreshToken": pick(c.draw, s.refresh...)}), "204")
	c.over(s)
}

// logOutWhileRefreshing does both at once, on one instance each: the session is over, whichever was first.
func (c *client) logOutWhileRefreshing(s *session) {
	token := object{"refreshToken": s.refresh[len(s.refresh)-1]}
	var refreshed, out answer
	var both sync.WaitGroup
	both.Go(func() { refreshed = c.send(c.world.programs[0], "", "POST", "/api/auth/refresh", token) })
	both.Go(func() { out = c.send(c.world.programs[1], "", "POST", "/api/auth/logout", token) })
	both.Wait()
	c.is(out, "204")
	if c.live(s, refreshed, "200", "401 session_ended") {
		s.access = c.paired(refreshed).AccessToken
	}
	c.over(s)
}

// over notes that a session has ended. Its access token must know at once.
func (c *client) over(s *session) {
	s.ended = true
	c.live(s, c.call(s.access, "GET", "/api/users/me", nil))
}
