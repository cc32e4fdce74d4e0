package cache

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
)

// What is true of a user, one bit each, in the order of appendUser's list.
const (
	isOrganizer = 1 << iota
	emailVerified
	phoneVerified
	isActive
	hasPhone
	hasLoggedIn
)

// appendUser encodes a user: ID, flags, texts with their length, times in microseconds, version. It keeps times to the
// microsecond, as the database does. Written by hand because it is ten times faster than JSON, and half the size.
func appendUser(to []byte, u users.User) []byte {
	var flags byte
	for bit, set := range [...]bool{
		u.IsOrganizer, u.EmailVerified, u.PhoneVerified, u.IsActive, u.Phone != nil, u.LastLoginAt != nil,
	} {
		if set {
			flags |= 1 << bit
		}
	}
	to = append(to, u.ID[:]...)
	to = append(to, flags)
	to = appendText(to, u.Email)
	if u.Phone != nil {
		to = appendText(to, *u.Phone)
	}
	to = appendText(to, u.FirstName)
	to = appendText(to, u.LastName)
	to = appendText(to, string(u.Role))
	if u.LastLoginAt != nil {
		to = appendTime(to, *u.LastLoginAt)
	}
	to = appendTime(to, u.CreatedAt)
	to = appendTime(to, u.UpdatedAt)
	return binary.AppendVarint(to, u.Version)
}

// decodeUser reads exactly what appendUser has written. The user shares no memory with from.
func decodeUser(from []byte) (users.User, bool) {
	r := reader{rest: from}
	var u users.User
	u.ID = r.id()
	flags := r.byte()
	u.IsOrganizer = flags&isOrganizer != 0
	u.EmailVerified = flags&emailVerified != 0
	u.PhoneVerified = flags&phoneVerified != 0
	u.IsActive = flags&isActive != 0
	u.Email = r.text()
	if flags&hasPhone != 0 {
		phone := r.text()
		u.Phone = &phone
	}
	u.FirstName = r.text()
	u.LastName = r.text()
	u.Role = users.Role(r.text())
	if flags&hasLoggedIn != 0 {
		at := r.time()
		u.LastLoginAt = &at
	}
	u.CreatedAt = r.time()
	u.UpdatedAt = r.time()
	u.Version = r.varint()
	if !r.done() {
		return users.User{}, false
	}
	return u, true
}

func appendID(to []byte, id uuid.UUID) []byte { return append(to, id[:]...) }

func decodeID(from []byte) (uuid.UUID, bool) {
	r := reader{rest: from}
	id := r.id()
	return id, r.done()
}

func appendText(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

func appendTime(to []byte, t time.Time) []byte { return binary.AppendVarint(to, t.UnixMicro()) }

// reader takes an encoding apart. After the first thing that is not there it returns zero values.
type reader struct {
	rest   []byte
	broken bool
}

// done reports whether everything was there and nothing is left.
func (r *reader) done() bool { return !r.broken && len(r.rest) == 0 }

// take returns the next n bytes, or none.
func (r *reader) take(n uint64) []byte {
	if r.broken || n > uint64(len(r.rest)) {
		r.broken = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) id() (id uuid.UUID) {
	copy(id[:], r.take(uint64(len(id))))
	return id
}

func (r *reader) text() string {
	size, n := binary.Uvarint(r.rest)
	r.skip(n)
	return string(r.take(size))
}

func (r *reader) time() time.Time { return time.UnixMicro(r.varint()).UTC() }

func (r *reader) varint() int64 {
	value, n := binary.Varint(r.rest)
	r.skip(n)
	return value
}

// skip drops the n bytes of a number; n is not positive when there was none.
func (r *reader) skip(n int) {
	if n <= 0 {
		r.broken = true
		return
	}
	r.take(uint64(n))
}
