package domain

import (
	"slices"

	"github.com/tickr/tickr/modules/users"
)

// ParseRole returns the role of exactly that name.
func ParseRole(raw string) (users.Role, *Violation) {
	role := users.Role(raw)
	switch {
	case raw == "":
		return "", required()
	case !slices.Contains(users.Roles(), role):
		return "", &Violation{CodeInvalid, "must be PARTICIPANT, ORGANIZER or ADMIN"}
	}
	return role, nil
}
