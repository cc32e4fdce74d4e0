package domain_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

func sealer(t require.TestingT, secrets ...string) domain.Sealer {
	s, err := domain.NewSealer(secrets...)
	require.NoError(t, err)
	return s
}

func TestSealOpens(t *testing.T) {
	t.Parallel()
	s := sealer(t, "secret")
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.String().Draw(t, "secret")
		label := rapid.SliceOf(rapid.Byte()).Draw(t, "label")
		sealed := s.Seal(secret, label)
		if len(secret) > 4 {
			require.NotContains(t, string(sealed), secret)
		}
		require.NotEqual(t, sealed, s.Seal(secret, label))

		opened, err := s.Open(sealed, label)
		require.NoError(t, err)
		require.Equal(t, secret, opened)
	})
}

func TestSealIsBoundToItsLabel(t *testing.T) {
	t.Parallel()
	s := sealer(t, "secret")
	sealed := s.Seal("token", []byte("mail 1"))
	for _, label := range []string{"mail 2", "", "mail 1 "} {
		_, err := s.Open(sealed, []byte(label))
		require.Error(t, err, label)
	}
}

func TestSealShowsTampering(t *testing.T) {
	t.Parallel()
	s, label := sealer(t, "secret"), []byte("mail 1")
	sealed := s.Seal("token", label)
	for i := range sealed {
		sealed[i] ^= 1
		_, err := s.Open(sealed, label)
		require.Error(t, err, "octet %d", i)
		sealed[i] ^= 1
	}
	for _, part := range [][]byte{nil, {}, sealed[:8], sealed[:len(sealed)-1], append([]byte{0}, sealed...)} {
		_, err := s.Open(part, label)
		require.Error(t, err)
	}
}

func TestSealKeyRotation(t *testing.T) {
	t.Parallel()
	label := []byte("mail 1")
	old, rotated, current := sealer(t, "old"), sealer(t, "new", "old"), sealer(t, "new")
	before, after := old.Seal("token", label), rotated.Seal("token", label)

	opened, err := rotated.Open(before, label)
	require.NoError(t, err)
	require.Equal(t, "token", opened)
	opened, err = current.Open(after, label)
	require.NoError(t, err, "the first key seals")
	require.Equal(t, "token", opened)

	_, err = current.Open(before, label)
	require.Error(t, err)
	_, err = old.Open(after, label)
	require.Error(t, err)
}
