package userstest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Clock is a clock that stands still until it is advanced. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows 1 November 2026, 9 o'clock UTC.
func NewClock() *Clock { return &Clock{now: time.Date(2026, time.November, 1, 9, 0, 0, 0, time.UTC)} }

// Now returns the time shown.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Here is where requests of tests come from.
var Here = domain.NewOrigin(netip.MustParseAddr("192.0.2.1"), "Tests/1.0")

// NewID returns a version 7 UUID; later ones sort after earlier ones.
func NewID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// NoCache is a cache that is switched off: everything is loaded every time.
type NoCache struct{}

// User implements application.Cache.
func (NoCache) User(ctx context.Context, _ users.ID, load func(context.Context) (users.User, error)) (users.User, error) {
	return load(ctx)
}

// Users implements application.Cache.
func (NoCache) Users(
	ctx context.Context, ids []users.ID, load func(context.Context, []users.ID) ([]users.User, error),
) (map[users.ID]users.User, error) {
	views := make(map[users.ID]users.User, len(ids))
	loaded, err := load(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, view := range loaded {
		views[view.ID] = view
	}
	return views, nil
}

// Session implements application.Cache.
func (NoCache) Session(ctx context.Context, _ uuid.UUID, load func(context.Context) (users.ID, error)) (users.ID, error) {
	return load(ctx)
}

// ForgetUser implements application.Cache.
func (NoCache) ForgetUser(users.ID) {}

// ForgetSession implements application.Cache.
func (NoCache) ForgetSession(uuid.UUID) {}

// ForgetAll implements application.Cache.
func (NoCache) ForgetAll() {}

// Cache remembers everything until it is told to forget, so that a use case which does not tell it is found out.
// It is for one goroutine.
type Cache struct {
	users    map[users.ID]users.User
	sessions map[uuid.UUID]users.ID
	Loads    int // how often it had to ask
}

// NewCache returns an empty cache.
func NewCache() *Cache {
	c := &Cache{}
	c.ForgetAll()
	return c
}

// User implements application.Cache.
func (c *Cache) User(ctx context.Context, id users.ID, load func(context.Context) (users.User, error)) (users.User, error) {
	return remember(ctx, c, c.users, id, load)
}

// Session implements application.Cache.
func (c *Cache) Session(ctx context.Context, id uuid.UUID, load func(context.Context) (users.ID, error)) (users.ID, error) {
	return remember(ctx, c, c.sessions, id, load)
}

func remember[V any](
	ctx context.Context, c *Cache, known map[uuid.UUID]V, id uuid.UUID, load func(context.Context) (V, error),
) (V, error) {
	if value, ok := known[id]; ok {
		return value, nil
	}
	c.Loads++
	value, err := load(ctx)
	if err == nil {
		known[id] = value
	}
	return value, err
}

// Users implements application.Cache.
func (c *Cache) Users(
	ctx context.Context, ids []users.ID, load func(context.Context, []users.ID) ([]users.User, error),
) (map[users.ID]users.User, error) {
	views := make(map[users.ID]users.User, len(ids))
	var missing []users.ID
	for _, id := range ids {
		if view, ok := c.users[id]; ok {
			views[id] = view
		} else if !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return views, nil
	}
	c.Loads++
	loaded, err := load(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, view := range loaded {
		views[view.ID], c.users[view.ID] = view, view
	}
	return views, nil
}

// ForgetAll implements application.Cache.
func (c *Cache) ForgetAll() {
	c.users, c.sessions = map[users.ID]users.User{}, map[uuid.UUID]users.ID{}
}

// ForgetUser implements application.Cache.
func (c *Cache) ForgetUser(id users.ID) { delete(c.users, id) }

// ForgetSession implements application.Cache.
func (c *Cache) ForgetSession(id uuid.UUID) { delete(c.sessions, id) }

// Hasher hashes at no cost and hides nothing. It is safe for concurrent use while its fields are left alone.
type Hasher struct {
	// Meanwhile, if set, is called while a password is compared or hashed: what others do in that time.
	Meanwhile func()
	// Err, if set, is how both methods fail.
	Err error
	// Full, if set, is how Enter fails.
	Full error

	mu               sync.Mutex
	hashes, verifies int
	inside           int
	network          string
}

// Calls returns how often each method was called.
func (h *Hasher) Calls() (hashes, verifies int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hashes, h.verifies
}

// Inside returns how many have entered and not left.
func (h *Hasher) Inside() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.inside
}

// Network returns that of the last who came to enter.
func (h *Hasher) Network() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.network
}

// Enter implements application.Hasher.
func (h *Hasher) Enter(_ context.Context, network string) (leave func(), err error) {
	h.mu.Lock()
	h.network = network
	h.mu.Unlock()
	if h.Full != nil {
		return nil, h.Full
	}
	move := func(by int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.inside += by
	}
	move(1)
	return func() { move(-1) }, nil
}

// Hash implements application.Hasher. As with a salt, no two hashes are equal.
func (h *Hasher) Hash(_ context.Context, p domain.Password) (string, error) {
	n := h.called(&h.hashes)
	return fmt.Sprintf("%d:%s", n, p.Reveal()), h.Err
}

// Verify implements application.Hasher.
func (h *Hasher) Verify(_ context.Context, p domain.Password, hash string) (bool, error) {
	h.called(&h.verifies)
	_, password, ok := strings.Cut(hash, ":")
	return ok && password == p.Reveal() && h.Err == nil, h.Err
}

// Outdated implements application.Hasher: a hash that begins with "old" is.
func (h *Hasher) Outdated(_ domain.Password, hash string) bool { return strings.HasPrefix(hash, "old") }

func (h *Hasher) called(counter *int) int {
	if h.Meanwhile != nil {
		h.Meanwhile()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	*counter++
	return *counter
}

// AccessTokens issues tokens that anybody could forge.
type AccessTokens struct{ Now func() time.Time }

// Issue implements application.AccessTokens.
func (AccessTokens) Issue(c application.AccessClaims) (string, error) {
	token, err := json.Marshal(c)
	return string(token), err
}

// Verify implements application.AccessTokens.
func (a AccessTokens) Verify(token string) (application.AccessClaims, error) {
	var c application.AccessClaims
	switch err := json.Unmarshal([]byte(token), &c); {
	case err != nil:
		return application.AccessClaims{}, users.ErrUnauthenticated
	case !a.Now().Before(c.ExpiresAt):
		return application.AccessClaims{}, users.ErrTokenExpired
	}
	return c, nil
}

// Mailer keeps what it is given. It is safe for concurrent use while its field is left alone.
type Mailer struct {
	// Fail, if set, may refuse a mail.
	Fail func(application.Mail) error

	mu   sync.Mutex
	sent []application.Mail
}

// Send implements application.Mailer.
func (m *Mailer) Send(_ context.Context, mail application.Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Fail != nil {
		if err := m.Fail(mail); err != nil {
			return err
		}
	}
	m.sent = append(m.sent, mail)
	return nil
}

// Sent returns the mail handed over so far, oldest first.
func (m *Mailer) Sent() []application.Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

// Meter remembers what was counted. It is safe for concurrent use.
type Meter struct {
	mu     sync.Mutex
	logins []application.LoginOutcome
}

// LogIn implements application.Meter.
func (m *Meter) LogIn(o application.LoginOutcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logins = append(m.logins, o)
}

// Logins returns the outcomes that were counted since it was last asked.
func (m *Meter) Logins() []application.LoginOutcome {
	m.mu.Lock()
	defer m.mu.Unlock()
	counted := m.logins
	m.logins = nil
	return counted
}

// Texter keeps what it is given. It is safe for concurrent use.
type Texter struct {
	mu   sync.Mutex
	sent []application.Text
}

// Send implements application.Texter.
func (t *Texter) Send(_ context.Context, text application.Text) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, text)
	return nil
}

// Sent returns the text messages handed over so far, oldest first.
func (t *Texter) Sent() []application.Text {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.sent)
}
