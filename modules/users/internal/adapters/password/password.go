// Package password hashes passwords with argon2id (RFC 9106), no more of them at once than there are processors: each takes
// 19 MiB and tens of milliseconds, so an unbounded number would take the whole machine.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/telemetry"
)

const (
	defaultMaxWait = 3500 * time.Millisecond
	saltSize       = 16
	keySize        = 32

	// maxPassword is the most octets that are compared with a hash. A password of ours has at most 128 code points, so 512.
	maxPassword = 1024

	// crowd is how many may be past Enter for each turn: enough that no turn waits for the database.
	crowd = 4
)

// waitBuckets reach up to the longest wait.
var waitBuckets = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2, 4, 5}

// Options adjusts a Hasher. The zero value of each means its default.
type Options struct {
	Parallelism int           // passwords hashed at once; default GOMAXPROCS
	MaxWait     time.Duration // for a place or a turn; default 3.5 s
	Params      Params        // of new hashes; default DefaultParams
}

// Hasher hashes passwords and compares them, taking their octets exactly as given. It is safe for concurrent use.
type Hasher struct {
	params  Params
	maxWait time.Duration
	inside  *entrance
	turns   chan struct{}
	waiting atomic.Int64
	shed    prometheus.Counter
	waits   prometheus.Histogram
	hashes  prometheus.Histogram
	metrics []prometheus.Collector
	price   price

	// derive and compareBcrypt are replaced in tests that count or delay them.
	derive        derivation
	compareBcrypt func(hash, password []byte) error
}

var _ application.Hasher = (*Hasher)(nil)

// New returns a hasher.
func New(o Options) *Hasher {
	if o.Parallelism == 0 {
		o.Parallelism = runtime.GOMAXPROCS(0)
	}
	if o.MaxWait == 0 {
		o.MaxWait = defaultMaxWait
	}
	if o.Params == (Params{}) {
		o.Params = DefaultParams
	}
	h := &Hasher{
		params: o.Params, maxWait: o.MaxWait,
		inside: newEntrance(crowd * o.Parallelism), turns: make(chan struct{}, o.Parallelism),
		derive: recycling(o.Params), compareBcrypt: bcrypt.CompareHashAndPassword,
	}
	h.price.meet(work{argon: o.Params})
	h.shed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tickr_password_hashes_shed_total", Help: "Passwords whose turn did not come in time, or whose request ended before.",
	})
	h.waits = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tickr_password_hash_wait_seconds", Help: "Time that passwords waited for their turn, in vain too.", Buckets: waitBuckets,
	})
	h.hashes = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tickr_password_hash_duration_seconds", Help: "Time to hash a password, or to compare one.", Buckets: prometheus.DefBuckets,
	})
	h.metrics = []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tickr_password_hashes_waiting", Help: "Passwords waiting to be hashed.",
		}, func() float64 { return float64(h.waiting.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tickr_password_hashes_running", Help: "Passwords being hashed.",
		}, func() float64 { return float64(len(h.turns)) }),
		h.shed, h.waits, h.hashes,
	}
	return h
}

// Enter implements application.Hasher.
func (h *Hasher) Enter(ctx context.Context, network string) (leave func(), err error) {
	if err := h.wait(ctx, func(ctx context.Context) bool { return h.inside.enter(ctx, network) }); err != nil {
		return nil, err
	}
	return h.inside.leave, nil
}

// Hash implements application.Hasher. The hash has the hasher's parameters and a fresh salt.
func (h *Hasher) Hash(ctx context.Context, p domain.Password) (string, error) {
	hash := phc{Params: h.params, salt: make([]byte, saltSize)}
	rand.Read(hash.salt) // never fails: crypto/rand ends the program instead
	key, err := h.key(ctx, p.Reveal(), hash.Params, hash.salt, keySize)
	if err != nil {
		return "", err
	}
	hash.key = key
	return hash.String(), nil
}

// Verify implements application.Hasher. It compares with hashes of argon2id and, from accounts of the previous system, of bcrypt. A
// password of more than 1024 octets matches nothing. A stored hash of another kind, or one that asks for absurd work, fails with
// application.ErrBadHash.
//
// Every refusal costs the same, so that it does not tell whether there was a hash to compare with, nor of which kind: the work of one
// hash of ours, and from when this program first met a hash that Hash would not make, of one like that.
func (h *Hasher) Verify(ctx context.Context, p domain.Password, hash string) (bool, error) {
	password := []byte(p.Reveal())
	compare, done, fault := h.comparison(hash)
	end, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	if compare == nil || len(password) > maxPassword {
		h.refuse(work{})
		return false, fault
	}
	h.price.meet(done)
	if !compare(password) {
		h.refuse(done)
		return false, nil
	}
	return true, nil
}

// refuse does what a refusal costs, but for what was done already.
func (h *Hasher) refuse(done work) {
	for _, w := range h.price.list() {
		switch {
		case w == done:
		case w.bcrypt != 0:
			_ = h.compareBcrypt(nothing(w.bcrypt), nil) // it matches nothing
		default:
			h.derive(nil, make([]byte, saltSize), w.argon.Passes, w.argon.Memory, w.argon.Threads, keySize)
		}
	}
}

// comparison returns how to compare a password with a stored hash, and what that costs; nil when nothing can match it.
func (h *Hasher) comparison(hash string) (func(password []byte) bool, work, error) {
	switch {
	case hash == "":
		return nil, work{}, nil
	case isBcrypt(hash):
		cost, err := bcryptCost(hash)
		if err != nil {
			return nil, work{}, err
		}
		return func(password []byte) bool {
			return h.compareBcrypt([]byte(hash), password[:min(len(password), bcryptOctets)]) == nil
		}, work{bcrypt: cost}, nil
	}
	stored, err := parse(hash)
	if err != nil {
		return nil, work{}, err
	}
	return func(password []byte) bool {
		key := h.derive(password, stored.salt, stored.Passes, stored.Memory, stored.Threads, uint32(len(stored.key))) //nolint:gosec // its length was checked when it was read
		return subtle.ConstantTimeCompare(key, stored.key) == 1
	}, work{argon: stored.Params}, nil
}

// Outdated implements application.Hasher: true for a hash that Hash would not make today. A bcrypt hash of a password longer than
// bcrypt looks at stays: what was typed beyond that was never compared, so hashing it would bind what may be a typing error.
func (h *Hasher) Outdated(p domain.Password, hash string) bool {
	if isBcrypt(hash) {
		return len(p.Reveal()) <= bcryptOctets
	}
	stored, err := parse(hash)
	return err == nil && (stored.Params != h.params || len(stored.salt) != saltSize || len(stored.key) != keySize)
}

// key waits for a turn and derives a key from a password.
func (h *Hasher) key(ctx context.Context, password string, p Params, salt []byte, size uint32) ([]byte, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return h.derive([]byte(password), salt, p.Passes, p.Memory, p.Threads, size), nil
}

// turn waits for a turn and returns what ends it.
func (h *Hasher) turn(ctx context.Context) (done func(), err error) {
	if err := h.wait(ctx, h.takeTurn); err != nil {
		return nil, err
	}
	_, end := telemetry.Step(ctx, "hash password")
	timer := prometheus.NewTimer(h.hashes)
	return func() { timer.ObserveDuration(); end(nil); <-h.turns }, nil
}

// takeTurn reports whether there was a turn before ctx ended.
func (h *Hasher) takeTurn(ctx context.Context) bool {
	select {
	case h.turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// wait calls take, which waits for something until its ctx ends. It fails with users.ErrOverloaded when that takes too long.
func (h *Hasher) wait(ctx context.Context, take func(ctx context.Context) bool) (err error) {
	h.waiting.Add(1)
	defer h.waiting.Add(-1)
	defer prometheus.NewTimer(h.waits).ObserveDuration()
	ctx, end := telemetry.Step(ctx, "wait to hash password")
	defer func() { end(err) }()
	ctx, cancel := context.WithTimeoutCause(ctx, h.maxWait, users.ErrOverloaded)
	defer cancel()
	if ctx.Err() == nil && take(ctx) {
		return nil
	}
	h.shed.Inc()
	return fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
}

// Describe implements prometheus.Collector.
func (h *Hasher) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range h.metrics {
		m.Describe(descs)
	}
}

// Collect implements prometheus.Collector.
func (h *Hasher) Collect(metrics chan<- prometheus.Metric) {
	for _, m := range h.metrics {
		m.Collect(metrics)
	}
}
