package password

import (
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

func compareBcrypt(hash string) (func(password []byte) bool, error) {
	stored := []byte(hash)
	cost, err := bcrypt.Cost(stored)
	if err != nil || cost > maxBcryptCost || len(stored) != 60 {
		return nil, application.ErrBadHash
	}
	return func(password []byte) bool {
		return bcrypt.CompareHashAndPassword(stored, password[:min(len(password), bcryptOctets)]) == nil
	}, nil
}
