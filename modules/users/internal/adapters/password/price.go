package password

import (
	"slices"
	"sync"
)

// work is what a comparison with a stored hash costs: that of argon2id, or of bcrypt where its cost is not 0.
type work struct {
	argon  Params
	bcrypt int
}

// price is what every refusal costs: each kind of work that the program has met. As nobody but the program stores hashes, they are few.
type price struct {
	mu  sync.Mutex
	met []work
}

// meet adds a kind of work, unless it was met before.
func (p *price) meet(w work) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.met, w) {
		p.met = append(p.met, w)
	}
}

func (p *price) list() []work {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.met)
}
