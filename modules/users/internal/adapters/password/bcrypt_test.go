package password

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// bcryptOf hashes as the previous system did, but cheaper: it cut a password at 72 octets.
func bcryptOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password[:min(len(password), 72)]), bcrypt.MinCost)
	require.NoError(t, err)
	return "$2b" + strings.TrimPrefix(string(hash), "$2a") // as the npm package writes it
}

func TestOldHashesVerify(t *testing.T) {
	t.Parallel()
	h := New(Options{Params: cheap})
	long := strings.Repeat("é", 40) // 80 octets
	for name, c := range map[string]struct {
		password, hash string
		want           bool
	}{
		// A vector of jBCrypt, as it is and as other implementations mark it.
		"2a":                         {"abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", true},
		"2b":                         {"abc", "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", true},
		"2y":                         {"abc", "$2y$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", true},
		"wrong":                      {"abd", "$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", false},
		"short of our rules":         {"short", bcryptOf(t, "short"), true},
		"exactly 72 octets":          {long[:72], bcryptOf(t, long[:72]), true},
		"more, as it was":            {long, bcryptOf(t, long), true},
		"more, different after that": {long[:72] + "else", bcryptOf(t, long), true},
		"more, different before":     {"x" + long, bcryptOf(t, long), false},
	} {
		ok, err := h.Verify(t.Context(), domain.GivenPassword(c.password), c.hash)
		require.NoError(t, err, name)
		require.Equal(t, c.want, ok, name)
	}
}

func TestOtherParametersVerify(t *testing.T) {
	t.Parallel()
	hash, err := New(Options{Params: other}).Hash(t.Context(), domain.GivenPassword("right"))
	require.NoError(t, err)
	ok, err := New(Options{Params: cheap}).Verify(t.Context(), domain.GivenPassword("right"), hash)
	require.NoError(t, err)
	require.True(t, ok)
}

func TestOutdated(t *testing.T) {
	t.Parallel()
	h := New(Options{Params: cheap})
	current, err := h.Hash(t.Context(), domain.GivenPassword("right"))
	require.NoError(t, err)
	others, err := New(Options{Params: other}).Hash(t.Context(), domain.GivenPassword("right"))
	require.NoError(t, err)
	long := strings.Repeat("x", 73)
	require.False(t, h.Outdated(domain.GivenPassword("right"), current))
	require.True(t, h.Outdated(domain.GivenPassword("right"), others))
	require.True(t, h.Outdated(domain.GivenPassword("right"), bcryptOf(t, "right")))
	require.True(t, h.Outdated(domain.GivenPassword(long[:72]), bcryptOf(t, long)))
	require.False(t, h.Outdated(domain.GivenPassword(long), bcryptOf(t, long)), "what follows was never compared")
	require.False(t, h.Outdated(domain.GivenPassword("right"), "nonsense"))
}

func TestAbsurdBcryptIsRefusedBeforeItCosts(t *testing.T) {
	t.Parallel()
	h := New(Options{Params: cheap})
	for _, hash := range []string{
		"$2b$31$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", // days of work
		"$2b$15$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
		"$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0",
		"$2b$06$", "$2", "$2x",
	} {
		ok, err := h.Verify(t.Context(), domain.GivenPassword("abc"), hash)
		require.ErrorIs(t, err, application.ErrBadHash, hash)
		require.False(t, ok)
	}
}
