package domain_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

const sessionTTL = 30 * 24 * time.Hour

var (
	start  = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	userID = uuid.MustParse("0199c0de-0000-7000-8000-0000000000aa")
	home   = domain.NewOrigin(netip.MustParseAddr("192.0.2.1"), "Tests/1.0")
	away   = domain.NewOrigin(netip.MustParseAddr("192.0.2.2"), "Tests/1.1")
)

// login returns a new session, its key ring and its first token.
func login(t require.TestingT) (*domain.Session, []domain.RefreshKey, domain.RefreshToken) {
	keys := []domain.RefreshKey{refreshKey(t, "secret")}
	session, first := domain.StartSession(sessionID, userID, keys[0], home, start, sessionTTL)
	return session, keys, first
}

// requireEnded checks that the session ended at that time for that reason.
func requireEnded(t require.TestingT, s *domain.Session, reason string, at time.Time) {
	require.False(t, s.Live(at))
	require.Equal(t, at, *s.State().EndedAt)
	require.Equal(t, reason, *s.State().EndReason)
}

func TestStartSession(t *testing.T) {
	t.Parallel()
	session, _, first := login(t)
	require.Equal(t, domain.SessionState{
		ID: sessionID, UserID: userID, TokenHash: first.Hash(), CreatedAt: start, ExpiresAt: start.Add(sessionTTL), Origin: home,
	}, session.State())
	require.Equal(t, start, session.LastUsed())
	require.Equal(t, session, domain.RestoreSession(session.State()))
}

func TestExchangeExtendsTheSession(t *testing.T) {
	t.Parallel()
	session, keys, first := login(t)
	now := start.Add(time.Hour)
	second, err := session.Exchange(first, keys, away, now, sessionTTL)
	require.NoError(t, err)
	require.Equal(t, keys[0].Next(first), second)
	require.Equal(t, domain.SessionState{
		ID: sessionID, UserID: userID, TokenHash: second.Hash(), PreviousHash: first.Hash(), ExchangedAt: &now,
		CreatedAt: start, ExpiresAt: now.Add(sessionTTL), Origin: away,
	}, session.State())
	require.Equal(t, now, session.LastUsed())
}

func TestGraceAnswersWithTheSameSuccessor(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, time.Microsecond, 9 * time.Second, domain.RefreshGrace} {
		session, keys, first := login(t)
		second, err := session.Exchange(first, keys, home, start, sessionTTL)
		require.NoError(t, err)
		before := session.State()

		again, err := session.Exchange(first, keys, away, start.Add(late), sessionTTL)
		require.NoError(t, err)
		require.Equal(t, second, again)
		require.Equal(t, before, session.State(), "an answer given again changes nothing")
	}
}

func TestReuseEndsTheFamily(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		exchanges int           // before the first token comes back
		after     time.Duration // the last of them
	}{
		"after the grace":                  {exchanges: 1, after: domain.RefreshGrace + time.Microsecond},
		"successor exchanged at once":      {exchanges: 2, after: 0},
		"successor exchanged in the grace": {exchanges: 2, after: 5 * time.Second},
		"long ago":                         {exchanges: 5, after: 24 * time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session, keys, first := login(t)
			newest := first
			for range test.exchanges {
				var err error
				newest, err = session.Exchange(newest, keys, home, start, sessionTTL)
				require.NoError(t, err)
			}
			now := start.Add(test.after)
			_, err := session.Exchange(first, keys, home, now, sessionTTL)
			require.ErrorIs(t, err, users.ErrSessionEnded)
			requireEnded(t, session, domain.EndedByReuse, now)

			_, err = session.Exchange(newest, keys, home, now, sessionTTL)
			require.ErrorIs(t, err, users.ErrSessionEnded, "the thief's token, or the owner's, is worth nothing now")
		})
	}
}

func TestForgedTokenEndsNothing(t *testing.T) {
	t.Parallel()
	session, keys, first := login(t)
	_, err := session.Exchange(first, keys, home, start, sessionTTL)
	require.NoError(t, err)
	before := session.State()

	elsewhere := uuid.MustParse("0199c0de-0000-7000-8000-000000000002")
	for name, forged := range map[string]domain.RefreshToken{
		"another key":      refreshKey(t, "another").First(sessionID),
		"another session":  keys[0].First(elsewhere),
		"guessed sequence": refreshKey(t, "another").Next(first),
	} {
		require.False(t, session.Knows(forged, keys), name)
		_, err := session.Exchange(forged, keys, home, start.Add(time.Hour), sessionTTL)
		require.ErrorIs(t, err, users.ErrUnauthenticated, name)
		require.Equal(t, before, session.State(), name)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	session, old, first := login(t)
	second, err := session.Exchange(first, old, home, start, sessionTTL)
	require.NoError(t, err)
	rotated := []domain.RefreshKey{refreshKey(t, "new"), old[0]}

	again, err := session.Exchange(first, rotated, home, start.Add(time.Second), sessionTTL)
	require.NoError(t, err)
	require.Equal(t, second, again, "made with the key of before")

	third, err := session.Exchange(second, rotated, home, start.Add(time.Minute), sessionTTL)
	require.NoError(t, err)
	require.True(t, rotated[0].Issued(third))
	require.False(t, old[0].Issued(third))
	require.True(t, session.Knows(first, rotated))

	// Once the old key is gone its tokens are strangers, except those whose hash is stored.
	alone := rotated[:1]
	require.False(t, session.Knows(first, alone))
	require.True(t, session.Knows(second, alone))
	require.True(t, session.Knows(third, alone))
}

func TestSessionExpiry(t *testing.T) {
	t.Parallel()
	session, keys, first := login(t)
	end := start.Add(sessionTTL)
	require.True(t, session.Live(end.Add(-time.Microsecond)))
	require.False(t, session.Live(end))

	before := session.State()
	_, err := session.Exchange(first, keys, home, end, sessionTTL)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	require.Equal(t, before, session.State())

	_, err = session.Exchange(first, keys, home, end.Add(-time.Microsecond), sessionTTL)
	require.NoError(t, err)
	require.True(t, session.Live(end))
}

// A session that is in use all the time ends nevertheless.
func TestSessionLife(t *testing.T) {
	t.Parallel()
	for ttl, life := range map[time.Duration]time.Duration{
		time.Hour:              domain.SessionLife,
		sessionTTL:             domain.SessionLife,
		2 * domain.SessionLife: 2 * domain.SessionLife,
	} {
		keys := []domain.RefreshKey{refreshKey(t, "secret")}
		session, token := domain.StartSession(sessionID, userID, keys[0], home, start, ttl)
		now := start
		for next := now.Add(ttl / 2); next.Sub(start) < life; next = now.Add(max(ttl/2, time.Minute)) {
			now = next
			var err error
			token, err = session.Exchange(token, keys, home, now, ttl)
			require.NoError(t, err)
			require.False(t, session.State().ExpiresAt.After(now.Add(ttl)))
		}
		require.True(t, session.Live(start.Add(life-time.Microsecond)), ttl)
		require.False(t, session.Live(start.Add(life)), ttl)
	}
}

// A session that was to go on for longer, when tokens still lived longer, ends when it is asked for.
func TestSessionLifeOfOldSessions(t *testing.T) {
	t.Parallel()
	keys := []domain.RefreshKey{refreshKey(t, "secret")}
	session, token := domain.StartSession(sessionID, userID, keys[0], home, start, 3*domain.SessionLife)
	before := session.State()
	_, err := session.Exchange(token, keys, home, start.Add(domain.SessionLife), sessionTTL)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	require.Equal(t, before, session.State())
	_, err = session.Exchange(token, keys, home, start.Add(domain.SessionLife-1), sessionTTL)
	require.NoError(t, err)
	require.Equal(t, start.Add(domain.SessionLife), session.State().ExpiresAt)
}

func TestEndHappensOnce(t *testing.T) {
	t.Parallel()
	session, keys, first := login(t)
	session.End(domain.EndedByLogout, start)
	session.End(domain.EndedByDeactivation, start.Add(time.Second))
	requireEnded(t, session, domain.EndedByLogout, start)

	_, err := session.Exchange(first, keys, home, start, sessionTTL)
	require.ErrorIs(t, err, users.ErrSessionEnded)
	require.True(t, session.Knows(first, keys), "logging out twice with one token")
}

// Whatever happens in whatever order, a session does as this model of it says.
func TestSessionStateMachine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		session, keys, first := login(t)
		issued := []domain.RefreshToken{first}
		now, expires, ended := start, start.Add(sessionTTL), false
		var exchangedAt time.Time

		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				require.Equal(t, !ended && now.Before(expires), session.Live(now))
				require.Equal(t, issued[len(issued)-1].Hash(), session.State().TokenHash)
				session = domain.RestoreSession(session.State())
			},
			"wait": func(t *rapid.T) {
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, 4 * time.Second, time.Hour, sessionTTL / 2}).Draw(t, "wait"))
			},
			"rotate the key": func(t *rapid.T) {
				keys = append([]domain.RefreshKey{refreshKey(t, rapid.StringN(1, 8, -1).Draw(t, "secret"))}, keys...)
			},
			"end": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "seldom") == 0 {
					session.End(domain.EndedByLogout, now)
					ended = true
				}
			},
			"forge": func(t *rapid.T) {
				before := session.State()
				_, err := session.Exchange(refreshKey(t, "forger's").First(sessionID), keys, home, now, sessionTTL)
				require.ErrorIs(t, err, users.ErrUnauthenticated)
				require.Equal(t, before, session.State())
			},
			"exchange": func(t *rapid.T) {
				last := len(issued) - 1
				age := min(rapid.IntRange(0, 3).Draw(t, "age"), last)
				got, err := session.Exchange(issued[last-age], keys, home, now, sessionTTL)
				switch {
				case ended || !now.Before(expires):
					require.ErrorIs(t, err, users.ErrSessionEnded)
				case age == 0:
					require.NoError(t, err)
					issued = append(issued, got)
					exchangedAt, expires = now, now.Add(sessionTTL)
					if end := start.Add(domain.SessionLife); end.Before(expires) {
						expires = end
					}
				case age == 1 && now.Sub(exchangedAt) <= domain.RefreshGrace:
					require.NoError(t, err)
					require.Equal(t, issued[last], got)
				default:
					require.ErrorIs(t, err, users.ErrSessionEnded)
					requireEnded(t, session, domain.EndedByReuse, now)
					ended = true
				}
			},
		})
	})
}
