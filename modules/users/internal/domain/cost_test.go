package domain_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/domain"
)

// A body of a MiB is let in: what it says must be refused before it is worked on. Not parallel: the memory of other tests would count.
func TestLongInputCostsLittle(t *testing.T) {
	const password = "qgvzmkprwtxb"
	decomposed, words := strings.Repeat("e\u0301", 1<<20/3), strings.Repeat("word ", 1<<20/5)
	for name, parse := range map[string]func() *domain.Violation{
		"name": func() *domain.Violation {
			_, v := domain.ParseName(decomposed)
			return v
		},
		"reason": func() *domain.Violation {
			_, v := domain.ParseReason(decomposed)
			return v
		},
		"password": func() *domain.Violation {
			_, v := domain.ParsePassword(decomposed)
			return v
		},
		"password of a person": func() *domain.Violation {
			_, v := domain.ParsePassword(password, words, decomposed, words)
			return v
		},
	} {
		want := parse() // what is allocated once
		const most = 16 << 10
		before := allocated()
		require.Equal(t, want, parse())
		require.Less(t, allocated()-before, uint64(most), name)
	}
}

// allocated returns how many octets were ever allocated.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
