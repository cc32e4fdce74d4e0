package password

import (
	"bytes"
	"encoding/hex"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"
)

// The library is the measure: it is held to the vectors of RFC 9106 by its own tests.
func TestDerivesWhatTheLibraryDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		password, salt := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "password"), rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "salt")
		passes, memory := rapid.Uint32Range(1, 4).Draw(t, "passes"), rapid.Uint32Range(0, 600).Draw(t, "memory")
		size := rapid.Uint32Range(1, 200).Draw(t, "size")
		w := newWorkspace(memory)
		for range 2 { // the second time in memory that was used
			require.Equal(t, argon2.IDKey(password, salt, passes, memory, 1, size), w.derive(password, salt, passes, size))
		}
	})
}

func TestDerivesWhatTheLibraryDoesByDefault(t *testing.T) {
	t.Parallel()
	p, salt := DefaultParams, bytes.Repeat([]byte{7}, saltSize)
	w := newWorkspace(p.Memory)
	_ = w.derive([]byte("of somebody else"), salt, p.Passes, keySize)
	require.Equal(t, argon2.IDKey([]byte("password"), salt, p.Passes, p.Memory, 1, keySize), w.derive([]byte("password"), salt, p.Passes, keySize))
}

// Two vectors of the reference implementation (phc-winner-argon2, test.c), of one lane.
func TestVectors(t *testing.T) {
	t.Parallel()
	for memory, want := range map[uint32]string{
		1 << 8:  "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
		1 << 16: "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
	} {
		require.Equal(t, want, hex.EncodeToString(newWorkspace(memory).derive([]byte("password"), []byte("somesalt"), 2, 32)))
	}
}

func TestOtherWorkIsTheLibrarys(t *testing.T) {
	t.Parallel()
	own := Params{Memory: 64, Passes: 1, Threads: 1}
	derive := recycling(own)
	for _, p := range []Params{own, {64, 3, 1}, {128, 1, 1}, {64, 1, 2}, {16, 2, 4}} {
		require.Equal(t, argon2.IDKey([]byte("password"), []byte("salt"), p.Passes, p.Memory, p.Threads, 32),
			derive([]byte("password"), []byte("salt"), p.Passes, p.Memory, p.Threads, 32))
	}
	require.Equal(t, argon2.IDKey(nil, nil, 1, 64, 2, 32), recycling(Params{64, 1, 2})(nil, nil, 1, 64, 2, 32))
}

// Many at once share no memory.
func TestDerivesForManyAtOnce(t *testing.T) {
	t.Parallel()
	derive, done := recycling(Params{Memory: 64, Passes: 1, Threads: 1}), make(chan bool)
	for i := range byte(8) {
		go func() {
			same := true
			for range 50 {
				same = same && bytes.Equal(argon2.IDKey([]byte{i}, []byte("salt"), 1, 64, 1, 32), derive([]byte{i}, []byte("salt"), 1, 64, 1, 32))
			}
			done <- same
		}()
	}
	for range 8 {
		require.True(t, <-done)
	}
}

// TestMemory is about that of the process, so it is alone.
func TestMemory(t *testing.T) { //nolint:paralleltest // see above
	const keys = 10
	work := Params{Memory: DefaultParams.Memory, Passes: 1, Threads: 1}
	derive := recycling(work)
	measured := func(of func(*runtime.MemStats) uint64) (mib int) {
		before, after := new(runtime.MemStats), new(runtime.MemStats)
		runtime.ReadMemStats(before)
		for range keys {
			derive([]byte("password"), []byte("salt"), work.Passes, work.Memory, work.Threads, keySize)
		}
		runtime.GC()
		runtime.ReadMemStats(after)
		return int(of(after)-of(before)) >> 20
	}
	// Without the collector, only what is used again saves memory.
	percent := debug.SetGCPercent(-1)
	used := measured(func(m *runtime.MemStats) uint64 { return m.TotalAlloc })
	debug.SetGCPercent(percent)
	require.Equal(t, int(work.Memory>>10), used, "MiB for all keys together")
	require.LessOrEqual(t, measured(func(m *runtime.MemStats) uint64 { return m.HeapAlloc }), 0, "MiB once the collector came")
}

func BenchmarkDerive(b *testing.B) {
	p, salt := DefaultParams, make([]byte, saltSize)
	for name, derive := range map[string]derivation{"used again": recycling(p), "library": argon2.IDKey} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					derive([]byte("password"), salt, p.Passes, p.Memory, p.Threads, keySize)
				}
			})
		})
	}
}
