package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestPseudonyms(t *testing.T) {
	t.Parallel()
	key, err := domain.NewPseudonymKey("secret")
	require.NoError(t, err)
	again, err := domain.NewPseudonymKey("secret")
	require.NoError(t, err)
	other, err := domain.NewPseudonymKey("another secret")
	require.NoError(t, err)

	ana := key.Pseudonym("account", "ana@example.com")
	require.Regexp(t, "^[0-9a-f]{32}$", ana)
	require.Equal(t, ana, again.Pseudonym("account", "ana@example.com"))
	for _, different := range []string{
		key.Pseudonym("account", "ben@example.com"), key.Pseudonym("address", "ana@example.com"),
		key.Pseudonym("accounta", "na@example.com"), other.Pseudonym("account", "ana@example.com"),
	} {
		require.NotEqual(t, ana, different)
	}
}
