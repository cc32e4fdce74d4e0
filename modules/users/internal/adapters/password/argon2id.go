package password

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"weak"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blake2b"
)

// derivation is the shape of argon2.IDKey: memory is in KiB, size in octets.
type derivation func(password, salt []byte, passes, memory uint32, threads uint8, size uint32) []byte

// recycling returns argon2.IDKey, but that keys for p are derived in memory that is used again. The library takes new memory for each
// key and leaves it to the collector, which in a flood of logins costs as much as a quarter of the hashing.
func recycling(p Params) derivation {
	if p.Threads != 1 {
		return argon2.IDKey
	}
	var idle workspaces
	return func(password, salt []byte, passes, memory uint32, threads uint8, size uint32) []byte {
		if memory != p.Memory || threads != 1 {
			return argon2.IDKey(password, salt, passes, memory, threads, size)
		}
		w := idle.take()
		if w == nil {
			w = newWorkspace(memory)
		}
		defer idle.put(w)
		return w.derive(password, salt, passes, size)
	}
}

// workspaces are those that nobody uses now. The collector may have them: a program in which nobody logs in needs none. A sync.Pool
// would keep one for each processor besides those in use.
type workspaces struct {
	mu   sync.Mutex
	idle []weak.Pointer[workspace]
}

// take returns one of them, nil when there is none.
func (s *workspaces) take() (w *workspace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.idle) > 0 && w == nil {
		last := len(s.idle) - 1
		w, s.idle = s.idle[last].Value(), s.idle[:last]
	}
	return w
}

func (s *workspaces) put(w *workspace) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, weak.Make(w))
}

// What Argon2id (RFC 9106) calls y, v and SL.
const (
	argon2id      = 2
	argon2Version = 0x13
	segments      = 4 // of the memory; the references of a block stay within what the segments before it have left
)

// block is the unit of the memory: 1 KiB.
type block [128]uint64

// workspace derives keys with Argon2id on one lane (RFC 9106, p = 1), one after the other, always in the same memory.
type workspace struct {
	memory uint32 // as asked for, in KiB
	blocks []block

	// What fill and mix would otherwise clear for each block.
	mixed, input, addresses block
}

// newWorkspace returns a workspace of so many KiB, of which as many are used as can be divided by four, 8 at least.
func newWorkspace(memory uint32) *workspace {
	return &workspace{memory: memory, blocks: make([]block, max(memory, 2*segments)/segments*segments)}
}

// derive returns a key of size octets.
func (w *workspace) derive(password, salt []byte, passes, size uint32) []byte {
	w.begin(password, salt, passes, size)
	for pass := range passes {
		for segment := range uint32(segments) {
			w.fill(pass, segment, passes)
		}
	}
	key, last := make([]byte, size), w.blocks[len(w.blocks)-1]
	longHash(key, octets(&last))
	return key
}

// begin sets the first two blocks (RFC 9106, 3.2, steps 1 to 4).
func (w *workspace) begin(password, salt []byte, passes, size uint32) {
	hash, _ := blake2b.New512(nil) // fails only for a key
	for _, number := range []uint32{1, size, w.memory, passes, argon2Version, argon2id} {
		hash.Write(little(number))
	}
	for _, text := range [][]byte{password, salt, nil, nil} { // neither a secret nor associated data
		hash.Write(little(uint32(len(text)))) //nolint:gosec // far below 4 GiB
		hash.Write(text)
	}
	seed := hash.Sum(nil)
	for i := range uint32(2) {
		var first [1024]byte
		longHash(first[:], append(append(seed, little(i)...), little(0)...))
		for j := range w.blocks[i] {
			w.blocks[i][j] = binary.LittleEndian.Uint64(first[8*j:])
		}
	}
}

// fill computes the blocks of a segment (RFC 9106, 3.2, steps 5 and 6). Which blocks are referred to does not depend on the password in
// the first half of the first pass.
func (w *workspace) fill(pass, segment, passes uint32) {
	all := uint32(len(w.blocks)) //nolint:gosec // parse bounds the memory
	length := all / segments
	independent := pass == 0 && segment < segments/2
	w.input = block{uint64(pass), 0, uint64(segment), uint64(all), uint64(passes), argon2id}

	index := uint32(0)
	if pass == 0 && segment == 0 {
		index = 2 // begin has set those before
	}
	for fresh := true; index < length; index++ {
		current := segment*length + index
		previous := (current + all - 1) % all
		random := w.blocks[previous][0]
		if independent {
			if fresh || index%uint32(len(w.addresses)) == 0 {
				w.nextAddresses()
				fresh = false
			}
			random = w.addresses[index%uint32(len(w.addresses))]
		}
		if pass == 0 {
			w.blocks[current] = block{} // of the key before
		}
		mix(&w.blocks[current], &w.blocks[previous], &w.blocks[reference(random, pass, segment, index, length)], &w.mixed)
	}
}

// nextAddresses makes the next 128 references of a segment where they do not depend on the password (RFC 9106, 3.4.1.2).
func (w *workspace) nextAddresses() {
	var zero, once block
	w.input[6]++
	mix(&once, &zero, &w.input, &w.mixed)
	w.addresses = block{}
	mix(&w.addresses, &zero, &once, &w.mixed)
}

// reference maps a random number to a block (RFC 9106, 3.4.2): one that this pass, or the one before, has filled and that is not the
// block just before; the older a block is, the less likely.
func reference(random uint64, pass, segment, index, length uint32) uint32 {
	candidates, oldest := (segments-1)*length+index-1, (segment+1)%segments*length
	if pass == 0 {
		candidates, oldest = segment*length+index-1, 0
	}
	x := random & 0xffffffff
	x = x * x >> 32
	age := uint64(candidates) * x >> 32
	return uint32((uint64(oldest) + uint64(candidates) - 1 - age) % uint64(segments*length)) //nolint:gosec // below the number of blocks
}

// mix adds to out what the compression function G (RFC 9106, 3.5) makes of x and y. mixed is overwritten.
func mix(out, x, y, mixed *block) {
	mixed[0] = fetch(y)
	for i := 0; i < len(mixed); i += 16 {
		mixRow((*row)(mixed[i:]), (*row)(x[i:]), (*row)(y[i:]))
	}
	for i := 0; i < len(row{}); i += 2 {
		mixColumn((*column)(out[i:]), (*column)(x[i:]), (*column)(y[i:]), (*column)(mixed[i:]))
	}
}

// fetch touches each cache line of a block, which is somewhere in the memory: the rows would wait for their own one after the other.
func fetch(b *block) uint64 {
	return b[0] ^ b[8] ^ b[16] ^ b[24] ^ b[32] ^ b[40] ^ b[48] ^ b[56] ^ b[64] ^ b[72] ^ b[80] ^ b[88] ^ b[96] ^ b[104] ^ b[112] ^ b[120]
}

type (
	row    [16]uint64
	column [7*16 + 2]uint64 // two words of each row; what is between them belongs to other columns
)

// mixRow sets mixed to the permutation P (RFC 9106, 3.6) of a row of x and y added up. P is written out here and in mixColumn: sixteen
// words handed to a function go through memory, which takes a tenth longer.
func mixRow(mixed, x, y *row) {
	a0, a1, a2, a3 := x[0]^y[0], x[1]^y[1], x[2]^y[2], x[3]^y[3]
	b0, b1, b2, b3 := x[4]^y[4], x[5]^y[5], x[6]^y[6], x[7]^y[7]
	c0, c1, c2, c3 := x[8]^y[8], x[9]^y[9], x[10]^y[10], x[11]^y[11]
	d0, d1, d2, d3 := x[12]^y[12], x[13]^y[13], x[14]^y[14], x[15]^y[15]

	a0, b0, c0, d0 = half(a0, b0, c0, d0, 32, 24)
	a0, b0, c0, d0 = half(a0, b0, c0, d0, 16, 63)
	a1, b1, c1, d1 = half(a1, b1, c1, d1, 32, 24)
	a1, b1, c1, d1 = half(a1, b1, c1, d1, 16, 63)
	a2, b2, c2, d2 = half(a2, b2, c2, d2, 32, 24)
	a2, b2, c2, d2 = half(a2, b2, c2, d2, 16, 63)
	a3, b3, c3, d3 = half(a3, b3, c3, d3, 32, 24)
	a3, b3, c3, d3 = half(a3, b3, c3, d3, 16, 63)

	a0, b1, c2, d3 = half(a0, b1, c2, d3, 32, 24)
	a0, b1, c2, d3 = half(a0, b1, c2, d3, 16, 63)
	a1, b2, c3, d0 = half(a1, b2, c3, d0, 32, 24)
	a1, b2, c3, d0 = half(a1, b2, c3, d0, 16, 63)
	a2, b3, c0, d1 = half(a2, b3, c0, d1, 32, 24)
	a2, b3, c0, d1 = half(a2, b3, c0, d1, 16, 63)
	a3, b0, c1, d2 = half(a3, b0, c1, d2, 32, 24)
	a3, b0, c1, d2 = half(a3, b0, c1, d2, 16, 63)

	mixed[0], mixed[1], mixed[2], mixed[3] = a0, a1, a2, a3
	mixed[4], mixed[5], mixed[6], mixed[7] = b0, b1, b2, b3
	mixed[8], mixed[9], mixed[10], mixed[11] = c0, c1, c2, c3
	mixed[12], mixed[13], mixed[14], mixed[15] = d0, d1, d2, d3
}

// mixColumn adds P of a column, and a column of x and y, to out.
func mixColumn(out, x, y, mixed *column) {
	a0, a1, a2, a3 := mixed[0], mixed[1], mixed[16], mixed[17]
	b0, b1, b2, b3 := mixed[32], mixed[33], mixed[48], mixed[49]
	c0, c1, c2, c3 := mixed[64], mixed[65], mixed[80], mixed[81]
	d0, d1, d2, d3 := mixed[96], mixed[97], mixed[112], mixed[113]

	a0, b0, c0, d0 = half(a0, b0, c0, d0, 32, 24)
	a0, b0, c0, d0 = half(a0, b0, c0, d0, 16, 63)
	a1, b1, c1, d1 = half(a1, b1, c1, d1, 32, 24)
	a1, b1, c1, d1 = half(a1, b1, c1, d1, 16, 63)
	a2, b2, c2, d2 = half(a2, b2, c2, d2, 32, 24)
	a2, b2, c2, d2 = half(a2, b2, c2, d2, 16, 63)
	a3, b3, c3, d3 = half(a3, b3, c3, d3, 32, 24)
	a3, b3, c3, d3 = half(a3, b3, c3, d3, 16, 63)

	a0, b1, c2, d3 = half(a0, b1, c2, d3, 32, 24)
	a0, b1, c2, d3 = half(a0, b1, c2, d3, 16, 63)
	a1, b2, c3, d0 = half(a1, b2, c3, d0, 32, 24)
	a1, b2, c3, d0 = half(a1, b2, c3, d0, 16, 63)
	a2, b3, c0, d1 = half(a2, b3, c0, d1, 32, 24)
	a2, b3, c0, d1 = half(a2, b3, c0, d1, 16, 63)
	a3, b0, c1, d2 = half(a3, b0, c1, d2, 32, 24)
	a3, b0, c1, d2 = half(a3, b0, c1, d2, 16, 63)

	out[0] ^= a0 ^ x[0] ^ y[0]
	out[1] ^= a1 ^ x[1] ^ y[1]
	out[16] ^= a2 ^ x[16] ^ y[16]
	out[17] ^= a3 ^ x[17] ^ y[17]
	out[32] ^= b0 ^ x[32] ^ y[32]
	out[33] ^= b1 ^ x[33] ^ y[33]
	out[48] ^= b2 ^ x[48] ^ y[48]
	out[49] ^= b3 ^ x[49] ^ y[49]
	out[64] ^= c0 ^ x[64] ^ y[64]
	out[65] ^= c1 ^ x[65] ^ y[65]
	out[80] ^= c2 ^ x[80] ^ y[80]
	out[81] ^= c3 ^ x[81] ^ y[81]
	out[96] ^= d0 ^ x[96] ^ y[96]
	out[97] ^= d1 ^ x[97] ^ y[97]
	out[112] ^= d2 ^ x[112] ^ y[112]
	out[113] ^= d3 ^ x[113] ^ y[113]
}

// half is one half of the function GB of P, in which additions multiply, too; the other half rotates by other distances. It is small
// enough to be inlined.
func half(a, b, c, d uint64, r, s int) (uint64, uint64, uint64, uint64) {
	a += b + 2*uint64(uint32(a))*uint64(uint32(b)) //nolint:gosec // the lower halves are meant
	d = bits.RotateLeft64(d^a, -r)
	c += d + 2*uint64(uint32(c))*uint64(uint32(d)) //nolint:gosec // likewise
	b = bits.RotateLeft64(b^c, -s)
	return a, b, c, d
}

// longHash fills out with a hash of in, whatever its length (H' of RFC 9106, 3.3).
func longHash(out, in []byte) {
	text := append(little(uint32(len(out))), in...) //nolint:gosec // a key, or a block
	for len(out) > blake2b.Size {
		sum := blake2b.Sum512(text)
		out = out[copy(out, sum[:blake2b.Size/2]):]
		text = sum[:]
	}
	hash, _ := blake2b.New(len(out), nil) // fails only for lengths over its own
	hash.Write(text)
	hash.Sum(out[:0])
}

// octets returns the content of a block.
func octets(b *block) []byte {
	text := make([]byte, 0, 1024)
	for _, word := range b {
		text = binary.LittleEndian.AppendUint64(text, word)
	}
	return text
}

// little returns the four octets of a number, the lowest first.
func little(number uint32) []byte { return binary.LittleEndian.AppendUint32(nil, number) }
