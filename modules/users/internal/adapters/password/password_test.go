package password

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

var (
	cheap = Params{Memory: 8, Passes: 1, Threads: 1} // the least work that argon2 can do
	other = Params{Memory: 128, Passes: 3, Threads: 2}
)

func TestHashVerifies(t *testing.T) {
	t.Parallel()
	h := New(Options{Params: cheap})
	// U+00E9, and e with U+0301: look alike, but are not the same octets.
	const composed, decomposed = "caf\u00e9 \u4e16\u754c ", "cafe\u0301 \u4e16\u754c "
	hash, err := h.Hash(t.Context(), domain.GivenPassword(composed))
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, hash)

	for password, want := range map[string]bool{
		composed:                    true,
		decomposed:                  false,
		strings.TrimSpace(composed): false,
		strings.ToUpper(composed):   false,
		composed + "\x00":           false,
		"":                          false,
	} {
		ok, err := h.Verify(t.Context(), domain.GivenPassword(password), hash)
		require.NoError(t, err)
		require.Equal(t, want, ok, "%q", password)
	}

	again, err := h.Hash(t.Context(), domain.GivenPassword(composed))
	require.NoError(t, err)
	require.NotEqual(t, hash, again, "a fresh salt")
}

func TestDefaultParams(t *testing.T) {
	t.Parallel()
	hash, err := New(Options{}).Hash(t.Context(), domain.GivenPassword("correct horse battery staple"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"))
}

// The vectors are those of the reference implementation (P-H-C/phc-winner-argon2, src/test.c).
func TestKnownVectors(t *testing.T) {
	t.Parallel()
	for _, hash := range []string{
		sampleHash,
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
	} {
		ok, err := New(Options{}).Verify(t.Context(), domain.GivenPassword("password"), hash)
		require.NoError(t, err)
		require.True(t, ok)
	}
}

// Whatever is stored and whatever is given, every refusal costs the same: one hash of ours, and from when a hash of another kind was
// first met, one like that.
func TestEveryRefusalCostsTheSame(t *testing.T) {
	t.Parallel()
	var spent []work
	h := New(Options{Params: cheap})
	h.derive = func(password, salt []byte, passes, memory uint32, threads uint8, size uint32) []byte {
		spent = append(spent, work{argon: Params{Memory: memory, Passes: passes, Threads: threads}})
		return argon2.IDKey(password, salt, passes, memory, threads, size)
	}
	h.compareBcrypt = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		spent = append(spent, work{bcrypt: cost})
		return errors.Join(err, bcrypt.CompareHashAndPassword(hash, password))
	}
	stored, err := h.Hash(t.Context(), domain.GivenPassword("right"))
	require.NoError(t, err)
	others, err := New(Options{Params: other}).Hash(t.Context(), domain.GivenPassword("right"))
	require.NoError(t, err)
	long := strings.Repeat("a", maxPassword+1)
	storedLong, err := h.Hash(t.Context(), domain.GivenPassword(long))
	require.NoError(t, err)

	type refusal struct {
		password, hash string
		fault          error
	}
	refusals := map[string]refusal{
		"wrong password":       {"wrong", stored, nil},
		"no account":           {"right", "", nil},
		"password is too long": {long, storedLong, nil},
		"hash is unreadable":   {"right", "$2b$10$abcdefghijklmnopqrstuv", application.ErrBadHash},
		"hash is absurd":       {"right", "$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$" + sampleKey, application.ErrBadHash},
	}
	costs := func(want ...work) {
		for name, r := range refusals {
			spent = nil
			ok, err := h.Verify(t.Context(), domain.GivenPassword(r.password), r.hash)
			require.ErrorIs(t, err, r.fault)
			require.False(t, ok)
			require.ElementsMatch(t, want, spent, name)
		}
	}
	ours := work{argon: cheap}
	costs(ours)

	refusals["wrong for a hash of others"] = refusal{"wrong", others, nil}
	_, err = h.Verify(t.Context(), domain.GivenPassword("wrong"), others)
	require.NoError(t, err)
	costs(ours, work{argon: other})

	old := bcryptOf(t, "right")
	ok, err := h.Verify(t.Context(), domain.GivenPassword("right"), old)
	require.NoError(t, err)
	require.True(t, ok)
	refusals["wrong for a hash of bcrypt"] = refusal{"wrong", old, nil}
	costs(ours, work{argon: other}, work{bcrypt: bcrypt.MinCost})

	spent = nil
	ok, err = h.Verify(t.Context(), domain.GivenPassword("right"), stored)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []work{ours}, spent, "what is right tells more than its time")
}

func TestParallelismIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 3
	h := New(Options{Parallelism: limit, Params: cheap})
	var running, most atomic.Int64
	h.derive = func(_, _ []byte, _, _ uint32, _ uint8, size uint32) []byte {
		now := running.Add(1)
		defer running.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		time.Sleep(time.Millisecond)
		return make([]byte, size)
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { _, _ = h.Hash(context.Background(), domain.GivenPassword("a")) })
	}
	group.Wait()
	require.Equal(t, int64(limit), most.Load())
}

// busy returns a hasher of one turn, which is taken until free is called.
func busy(o Options) (h *Hasher, free func()) {
	o.Parallelism, o.Params = 1, cheap
	h = New(o)
	release, started := make(chan struct{}), make(chan struct{})
	h.derive = func(_, _ []byte, _, _ uint32, _ uint8, size uint32) []byte {
		started <- struct{}{}
		<-release
		return make([]byte, size)
	}
	go func() { _, _ = h.Hash(context.Background(), domain.GivenPassword("a")) }()
	<-started
	return h, func() { close(release) }
}

func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*Hasher, context.Context) error{
		"hash": func(h *Hasher, ctx context.Context) error {
			_, err := h.Hash(ctx, domain.GivenPassword("a"))
			return err
		},
		"verify": func(h *Hasher, ctx context.Context) error {
			_, err := h.Verify(ctx, domain.GivenPassword("a"), sampleHash)
			return err
		},
		"verify nothing": func(h *Hasher, ctx context.Context) error {
			_, err := h.Verify(ctx, domain.GivenPassword("a"), "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, free := busy(Options{})
				defer free()
				start := time.Now()
				require.ErrorIs(t, ask(h, t.Context()), users.ErrOverloaded)
				require.Equal(t, defaultMaxWait, time.Since(start))

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := ask(h, ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, users.ErrOverloaded)
				require.Equal(t, defaultMaxWait+time.Second, time.Since(start))
			})
		})
	}
}

// Of those who come, only some are let in at a time. Nobody who is not waits longer than for a turn.
func TestEnteringIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Parallelism: 2, Params: cheap})
		var leave func()
		for range crowd * 2 {
			var err error
			leave, err = h.Enter(t.Context(), "")
			require.NoError(t, err)
		}
		start := time.Now()
		_, err := h.Enter(t.Context(), "")
		require.ErrorIs(t, err, users.ErrOverloaded)
		require.Equal(t, defaultMaxWait, time.Since(start))
		_, err = h.Hash(t.Context(), domain.GivenPassword("a"))
		require.NoError(t, err, "a turn for whoever is inside")
		leave()
		_, err = h.Enter(t.Context(), "")
		require.NoError(t, err)
	})
}

func TestNetworksAreLetInByTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Parallelism: 1, Params: cheap})
		var leave func()
		for range crowd {
			var err error
			leave, err = h.Enter(t.Context(), "flood")
			require.NoError(t, err)
		}
		var order []string
		for _, network := range []string{"flood", "flood", "home"} {
			go func() {
				_, err := h.Enter(t.Context(), network)
				assert.NoError(t, err)
				order = append(order, network)
			}()
			synctest.Wait()
		}
		for range 3 {
			leave()
			synctest.Wait()
		}
		require.Equal(t, []string{"flood", "home", "flood"}, order)
	})
}

func TestEndedContextCostsNothing(t *testing.T) {
	t.Parallel()
	h := New(Options{Params: cheap})
	h.derive = func(_, _ []byte, _, _ uint32, _ uint8, _ uint32) []byte {
		t.Error("hashed for nobody")
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, err := h.Hash(ctx, domain.GivenPassword("a"))
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, free := busy(Options{})
		go func() { _, _ = h.Verify(t.Context(), domain.GivenPassword("a"), "") }()
		synctest.Wait()
		require.NoError(t, testutil.CollectAndCompare(h, strings.NewReader(`
# HELP tickr_password_hashes_running Passwords being hashed.
# TYPE tickr_password_hashes_running gauge
tickr_password_hashes_running 1
# HELP tickr_password_hashes_waiting Passwords waiting to be hashed.
# TYPE tickr_password_hashes_waiting gauge
tickr_password_hashes_waiting 1
`), "tickr_password_hashes_running", "tickr_password_hashes_waiting"))
		free()
	})
}

func TestMetricsTellWhoWaitedInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, free := busy(Options{MaxWait: 3 * time.Second})
		_, err := h.Verify(t.Context(), domain.GivenPassword("a"), "")
		require.ErrorIs(t, err, users.ErrOverloaded)
		require.NoError(t, testutil.CollectAndCompare(h, strings.NewReader(`
# HELP tickr_password_hash_wait_seconds Time that passwords waited for their turn, in vain too.
# TYPE tickr_password_hash_wait_seconds histogram
tickr_password_hash_wait_seconds_bucket{le="0.001"} 1
tickr_password_hash_wait_seconds_bucket{le="0.005"} 1
tickr_password_hash_wait_seconds_bucket{le="0.01"} 1
tickr_password_hash_wait_seconds_bucket{le="0.05"} 1
tickr_password_hash_wait_seconds_bucket{le="0.1"} 1
tickr_password_hash_wait_seconds_bucket{le="0.25"} 1
tickr_password_hash_wait_seconds_bucket{le="0.5"} 1
tickr_password_hash_wait_seconds_bucket{le="1"} 1
tickr_password_hash_wait_seconds_bucket{le="2"} 1
tickr_password_hash_wait_seconds_bucket{le="4"} 2
tickr_password_hash_wait_seconds_bucket{le="5"} 2
tickr_password_hash_wait_seconds_bucket{le="+Inf"} 2
tickr_password_hash_wait_seconds_sum 3
tickr_password_hash_wait_seconds_count 2
# HELP tickr_password_hashes_shed_total Passwords whose turn did not come in time, or whose request ended before.
# TYPE tickr_password_hashes_shed_total counter
tickr_password_hashes_shed_total 1
`), "tickr_password_hash_wait_seconds", "tickr_password_hashes_shed_total"))
		free()
	})
}

func TestTracesWaitingAndHashing(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	ctx, request := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test").Start(t.Context(), "request")
	h := New(Options{Params: cheap, Parallelism: 1, MaxWait: time.Millisecond})
	_, err := h.Hash(ctx, domain.GivenPassword("canary"))
	require.NoError(t, err)
	h.turns <- struct{}{}
	_, err = h.Verify(ctx, domain.GivenPassword("canary"), sampleHash)
	require.ErrorIs(t, err, users.ErrOverloaded)

	var told []string
	for _, span := range spans.Ended() {
		require.Equal(t, request.SpanContext().SpanID(), span.Parent().SpanID())
		require.NotContains(t, fmt.Sprint(span.Attributes(), span.Status(), span.Events()), "canary")
		told = append(told, span.Name()+" "+span.Status().Code.String())
	}
	require.Equal(t, []string{"wait to hash password Unset", "hash password Unset", "wait to hash password Error"}, told)
}
