// Package integrity lets eight clients do random things to accounts, at once and through two instances of the real program over
// one database. A model says which answers are possible: of an account that one client has for itself the exact content, of those
// that all fight over what holds in any order. After every round the stored data keeps every invariant.
//
// The instances run with CACHE_MAX_MB=0: they do not tell each other yet what to forget.
//
// TICKR_LONG=1 plays 500 rounds, else it is 40. A run prints its seed; TICKR_SEED repeats its choices, though not the order in
// which requests of different clients meet.
package integrity

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/test/program"
)

const (
	clients     = 8
	shortRounds = 40
	longRounds  = 500
	// scene is how many rounds the clients fight over the same addresses, until these are stale: an address is verified only once.
	scene = 20
)

func TestMain(m *testing.M) { program.Main(m) }

func TestRandomOperations(t *testing.T) {
	rounds, seed := shortRounds, rand.Uint64()
	if os.Getenv("TICKR_LONG") != "" {
		rounds = longRounds
	}
	if text := os.Getenv("TICKR_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("TICKR_SEED=%d", seed)

	w := newWorld(t)
	players := make([]*client, clients)
	for i := range players {
		players[i] = newClient(w, fmt.Sprintf("client %d", i), rand.New(rand.NewPCG(seed, uint64(i))))
	}
	together(t, players[:1], (*client).assemble)
	together(t, players, (*client).settle)
	for round := range rounds {
		if round%scene == 0 {
			w.contest(fmt.Sprintf("s%d", round/scene))
		}
		together(t, players, func(c *client) { c.act(round) })
		w.checkInvariants()
		if round%scene == scene-1 || round == rounds-1 {
			together(t, players[:1], func(c *client) { c.count(players) })
			together(t, players, (*client).tryEveryPassword)
			w.checkSecrets()
		}
	}
	together(t, players, (*client).lookOnceMore)
	w.close()

	did := map[string]int{}
	for _, c := range players {
		for outcome, times := range c.did {
			did[outcome] += times
		}
	}
	t.Logf("%d rounds: %v", rounds, did)
}

// together lets every client do something at the same time, and ends the test when one of them saw something wrong.
func together(t *testing.T, players []*client, do func(*client)) {
	t.Helper()
	var all sync.WaitGroup
	for _, c := range players {
		all.Go(func() { do(c) })
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
