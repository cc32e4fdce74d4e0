package userstest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

type memoryTokens struct{ m *Memory }

type tokenKey struct {
	user    users.ID
	purpose domain.Purpose
}

func (r memoryTokens) Issue(ctx context.Context, token domain.OneTimeToken) error {
	return r.m.do(ctx, func(t tables) error {
		t.tokens[tokenKey{token.UserID, token.Purpose}] = token
		return nil
	})
}

func (r memoryTokens) Owner(ctx context.Context, tokenHash []byte, purposes ...domain.Purpose) (owner users.ID, err error) {
	err = r.m.do(ctx, func(t tables) error {
		token, err := t.tokenOf(tokenHash, purposes)
		owner = token.UserID
		return err
	})
	return owner, err
}

func (r memoryTokens) Take(
	ctx context.Context, tokenHash []byte, now time.Time, purposes ...domain.Purpose,
) (taken domain.OneTimeToken, err error) {
	err = r.m.do(ctx, func(t tables) error {
		token, err := t.tokenOf(tokenHash, purposes)
		if err != nil {
			return err
		}
		if !now.Before(token.ExpiresAt) {
			return users.ErrTokenInvalid
		}
		delete(t.tokens, tokenKey{token.UserID, token.Purpose})
		taken = token
		return nil
	})
	return taken, err
}

func (t tables) tokenOf(tokenHash []byte, purposes []domain.Purpose) (domain.OneTimeToken, error) {
	for _, token := range t.tokens {
		if bytes.Equal(token.TokenHash, tokenHash) && slices.Contains(purposes, token.Purpose) {
			return token, nil
		}
	}
	return domain.OneTimeToken{}, users.ErrTokenInvalid
}

func (r memoryTokens) Try(ctx context.Context, user users.ID, now time.Time) (tried domain.OneTimeToken, err error) {
	err = r.m.do(ctx, func(t tables) error {
		key := tokenKey{user, domain.VerifyPhone}
		token, ok := t.tokens[key]
		if !ok || token.Tries >= domain.MaxCodeTries || !now.Before(token.ExpiresAt) {
			return users.ErrTokenInvalid
		}
		token.Tries++
		t.tokens[key] = token
		tried = token
		return nil
	})
	return tried, err
}

func (r memoryTokens) Has(ctx context.Context, user users.ID, purpose domain.Purpose) (has bool, err error) {
	err = r.m.do(ctx, func(t tables) error {
		_, has = t.tokens[tokenKey{user, purpose}]
		return nil
	})
	return has, err
}

func (r memoryTokens) Void(ctx context.Context, user users.ID) error {
	return r.m.do(ctx, func(t tables) error {
		maps.DeleteFunc(t.tokens, func(key tokenKey, _ domain.OneTimeToken) bool { return key.user == user })
		return nil
	})
}
