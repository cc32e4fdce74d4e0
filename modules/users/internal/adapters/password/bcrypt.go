package password

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/tickr/tickr/modules/users/internal/application"
)

const (
	// bcryptOctets is how much of a password bcrypt looks at. The previous system cut longer ones there without a word.
	bcryptOctets = 72
	// maxBcryptCost is about a second of work. The previous system used 10.
	maxBcryptCost = 14
)

func isBcrypt(hash string) bool { return strings.HasPrefix(hash, "$2") }

// bcryptCost returns the cost of a hash that can be compared with.
func bcryptCost(hash string) (int, error) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost > maxBcryptCost || len(hash) != 60 {
		return 0, application.ErrBadHash
	}
	return cost, nil
}

// nothing is a hash that takes as long to compare with as others of its cost, and that nothing is known to match.
func nothing(cost int) []byte { return fmt.Appendf(nil, "$2b$%02d$%053d", cost, 0) }
