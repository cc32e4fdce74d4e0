package password

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users/internal/application"
)

const (
	sampleSalt = "c29tZXNhbHQ"
	sampleKey  = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	sampleHash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
)

func TestParse(t *testing.T) {
	t.Parallel()
	h, err := parse(sampleHash)
	require.NoError(t, err)
	require.Equal(t, Params{Memory: 256, Passes: 2, Threads: 1}, h.Params)
	require.Equal(t, "somesalt", string(h.salt))
	require.Len(t, h.key, 32)
	require.Equal(t, sampleHash, h.String())
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	with := func(params, salt, key string) string { return "$argon2id$v=19$" + params + "$" + salt + "$" + key }
	const params = "m=256,t=2,p=1"
	for name, hash := range map[string]string{
		"text":               "password",
		"dollars":            "$$$$$",
		"bcrypt":             "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"argon2i":            strings.Replace(sampleHash, "argon2id", "argon2i", 1),
		"old version":        strings.Replace(sampleHash, "v=19", "v=16", 1),
		"no version":         strings.Replace(sampleHash, "$v=19", "", 1),
		"a part more":        sampleHash + "$",
		"something before":   " " + sampleHash,
		"something after":    sampleHash + "\n",
		"extra parameter":    with(params+",keyid=1", sampleSalt, sampleKey),
		"other order":        with("t=2,m=256,p=1", sampleSalt, sampleKey),
		"leading zero":       with("m=0256,t=2,p=1", sampleSalt, sampleKey),
		"sign":               with("m=+256,t=2,p=1", sampleSalt, sampleKey),
		"negative":           with("m=-256,t=2,p=1", sampleSalt, sampleKey),
		"memory overflows":   with("m=4294967552,t=2,p=1", sampleSalt, sampleKey),
		"too much memory":    with("m=65537,t=2,p=1", sampleSalt, sampleKey),
		"too little memory":  with("m=15,t=2,p=2", sampleSalt, sampleKey),
		"no pass":            with("m=256,t=0,p=1", sampleSalt, sampleKey),
		"too many passes":    with("m=256,t=11,p=1", sampleSalt, sampleKey),
		"no thread":          with("m=256,t=2,p=0", sampleSalt, sampleKey),
		"too many threads":   with("m=256,t=2,p=5", sampleSalt, sampleKey),
		"threads overflow":   with("m=256,t=2,p=257", sampleSalt, sampleKey),
		"no salt":            with(params, "", sampleKey),
		"short salt":         with(params, "c29tZXNhbA", sampleKey),
		"long salt":          with(params, strings.Repeat("A", 88), sampleKey),
		"no key":             with(params, sampleSalt, ""),
		"short key":          with(params, sampleSalt, strings.Repeat("A", 20)),
		"long key":           with(params, sampleSalt, strings.Repeat("A", 88)),
		"padded":             with(params, sampleSalt+"=", sampleKey),
		"URL-safe base64":    with(params, sampleSalt, strings.ReplaceAll(sampleKey, "/", "_")),
		"stray bits in salt": with(params, "c29tZXNhbHR", sampleKey),
		"line break in key":  with(params, sampleSalt, "nf65\n"+sampleKey[4:]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(hash)
			require.ErrorIs(t, err, application.ErrBadHash)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sampleHash)
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$" + sampleKey)
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parse(s)
		if err != nil {
			return
		}
		require.Equal(t, s, h.String())
		require.LessOrEqual(t, h.Memory, uint32(maxMemory))
	})
}
