package cache

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Small plays, in every order there is.
func TestEveryOrder(t *testing.T) {
	t.Parallel()
	plays := map[string]struct {
		actors []actor
		loads  int // 0: any number
	}{
		"one change, two readers":       {actors: []actor{write(0), read(0), read(0)}},
		"one change, one for all":       {actors: []actor{write(0), readAll}},
		"two changes":                   {actors: []actor{write(0), write(0)}},
		"a neighbour's change":          {actors: []actor{write(1), read(0)}},
		"a change, and somebody leaves": {actors: []actor{write(0), readAndLeave(0), callAway}},
		"forgotten for nothing":         {actors: []actor{forget(0), read(0), read(0)}},
		"cold, three readers":           {actors: []actor{read(0), read(0), read(0)}, loads: 1},
		"cold, and somebody leaves":     {actors: []actor{readAndLeave(0), callAway, read(0)}, loads: 1},
		"cold, one for all":             {actors: []actor{read(0), readAll}},
	}
	for name, play := range plays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, o, n := newStage(t), &orders{}, 0
				for more := true; more; more = o.next() {
					n++
					require.Empty(t, s.play(t.Context(), o.choose, play.actors...), "in order %v", o.path)
					if play.loads > 0 {
						require.Equal(t, play.loads, s.loads, "in order %v", o.path)
					}
				}
				t.Logf("%d orders", n)
			})
		})
	}
}

// orders goes through all sequences of choices, the last choice changing fastest.
type orders struct {
	path, of []int
	at       int
}

func (o *orders) choose(n int) int {
	if o.at == len(o.path) {
		o.path, o.of = append(o.path, 0), append(o.of, n)
	}
	if o.of[o.at] != n {
		panic(fmt.Sprintf("choice %d was one of %d, now of %d: the play cannot be repeated", o.at, o.of[o.at], n))
	}
	o.at++
	return o.path[o.at-1]
}

func (o *orders) next() bool {
	o.at = 0
	for last := len(o.path) - 1; last >= 0; last-- {
		if o.path[last]++; o.path[last] < o.of[last] {
			return true
		}
		o.path, o.of = o.path[:last], o.of[:last]
	}
	return false
}

// Larger plays, drawn. TICKR_LONG=1 draws a million, which takes some minutes.
func TestManyOrders(t *testing.T) {
	t.Parallel()
	const parts = 4
	plays := 25_000
	if os.Getenv("TICKR_LONG") != "" {
		plays = 1_000_000
	}
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				for seed := part; seed < plays; seed += parts {
					draw := rand.New(rand.NewPCG(0, uint64(seed)))
					require.Empty(t, s.play(t.Context(), draw.IntN, cast(draw)...), "play %d", seed)
				}
			})
		})
	}
}

// cast draws who acts: three to six, at least one of whom writes.
func cast(draw *rand.Rand) []actor {
	row := func() int { return draw.IntN(len(rows)) }
	actors := []actor{write(row())}
	for range 2 + draw.IntN(3) {
		switch draw.IntN(8) {
		case 0:
			actors = append(actors, write(row()))
		case 1:
			actors = append(actors, forget(row()))
		case 2:
			actors = append(actors, readAll)
		case 3:
			actors = append(actors, readAndLeave(row()), callAway)
		default:
			actors = append(actors, read(row()))
		}
	}
	return actors
}
