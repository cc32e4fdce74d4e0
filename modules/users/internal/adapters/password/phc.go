package password

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// Params is the work of one hash.
type Params struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultParams is the second of OWASP's equivalent settings for argon2id: 19 MiB, two passes, one thread.
var DefaultParams = Params{Memory: 19456, Passes: 2, Threads: 1}

// What a stored hash may ask for. A row that somebody tampered with must not take the machine's memory.
const (
	maxMemory  = 64 << 10 // KiB
	maxPasses  = 10
	maxThreads = 4
	minSalt    = 8
	minKey     = 16
	maxOctets  = 64 // of salt and key each
)

// unpadded is the base64 of the PHC string format.
var unpadded = base64.RawStdEncoding.Strict()

// phc is a hash in its parts.
type phc struct {
	Params
	salt, key []byte
}

// String returns the PHC string: $argon2id$v=19$m=19456,t=2,p=1$salt$key.
func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.Memory, h.Passes, h.Threads,
		unpadded.EncodeToString(h.salt), unpadded.EncodeToString(h.key))
}

// parse takes a PHC string apart that String could have made, and whose parameters are within the limits.
func parse(s string) (phc, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 {
		return phc{}, application.ErrBadHash
	}
	var h phc
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.Memory, &h.Passes, &h.Threads); err != nil {
		return phc{}, application.ErrBadHash
	}
	var err error
	if h.salt, err = unpadded.DecodeString(parts[4]); err != nil {
		return phc{}, application.ErrBadHash
	}
	if h.key, err = unpadded.DecodeString(parts[5]); err != nil {
		return phc{}, application.ErrBadHash
	}
	// Comparing with the canonical form refuses what is lax above: another version, trailing text, signs, leading zeros.
	if !h.bounded() || h.String() != s {
		return phc{}, application.ErrBadHash
	}
	return h, nil
}

func (h phc) bounded() bool {
	return h.Threads >= 1 && h.Threads <= maxThreads &&
		h.Passes >= 1 && h.Passes <= maxPasses &&
		h.Memory >= 8*uint32(h.Threads) && h.Memory <= maxMemory &&
		len(h.salt) >= minSalt && len(h.salt) <= maxOctets &&
		len(h.key) >= minKey && len(h.key) <= maxOctets
}
