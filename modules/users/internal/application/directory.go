package application

import (
	"context"
	"errors"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// Directory answers siblings. It is the users.Directory of the module.
type Directory struct{ service *Service }

var _ users.Directory = Directory{}

// NewDirectory returns the directory over the use cases' storage and cache.
func NewDirectory(s *Service) Directory { return Directory{s} }

// Get implements users.Directory.
func (d Directory) Get(ctx context.Context, id users.ID) (users.User, error) {
	return d.service.view(ctx, id)
}

// GetMany implements users.Directory.
func (d Directory) GetMany(ctx context.Context, ids []users.ID) (map[users.ID]users.User, error) {
	return d.service.views(ctx, ids)
}

// ByEmail implements users.Directory.
func (d Directory) ByEmail(ctx context.Context, address string) (users.User, error) {
	email, violation := domain.ParseEmail(address)
	if violation != nil {
		return users.User{}, users.ErrNotFound
	}
	u, err := d.service.Users.ByEmail(ctx, email.String())
	if err != nil {
		return users.User{}, err
	}
	return u.View(), nil
}

// ExistsByEmail implements users.Directory.
func (d Directory) ExistsByEmail(ctx context.Context, address string) (bool, error) {
	_, err := d.ByEmail(ctx, address)
	if errors.Is(err, users.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// RequireActive implements users.Directory.
func (d Directory) RequireActive(ctx context.Context, id users.ID) (users.User, error) {
	u, err := d.Get(ctx, id)
	switch {
	case err != nil:
		return users.User{}, err
	case !u.IsActive:
		return users.User{}, users.ErrDeactivated
	}
	return u, nil
}
