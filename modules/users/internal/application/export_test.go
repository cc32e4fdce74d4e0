package application

import (
	"maps"
	"slices"
)

// UseCases returns every use case that the policy knows.
func UseCases() []UseCase { return slices.Collect(maps.Keys(policy)) }
