package httpapi

import (
	"cmp"
	"context"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
	"github.com/tickr/tickr/platform/httpserver"
	"github.com/tickr/tickr/platform/telemetry"
)

type actorKey struct{}

// guard lets a request pass whose access token belongs to somebody who may use uc. The application decides the same again; here it
// is decided before the body is looked at, so that nobody learns from error messages what they may not use.
func (h handlers) guard(uc application.UseCase) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		actor, err := h.admit(ctx, uc)
		if err != nil {
			httpserver.WriteError(h.api, ctx, err)
			return
		}
		telemetry.SetUserID(ctx.Context(), actor.ID.String())
		next(huma.WithValue(ctx, actorKey{}, actor))
	}
}

// admit returns who asks for uc, and may. Whoever is nobody counts as their network.
func (h handlers) admit(ctx huma.Context, uc application.UseCase) (application.Actor, error) {
	actor, err := h.authenticate(ctx)
	if err != nil {
		return application.Actor{}, cmp.Or(h.requests.ofNetwork(ctx.Context()), err)
	}
	if err := h.requests.ofUser(ctx.Context(), actor); err != nil {
		return application.Actor{}, err
	}
	return actor, actor.May(uc)
}

// requireID answers 404 to a path whose id cannot be one, whatever the body.
func (h handlers) requireID(ctx huma.Context, next func(huma.Context)) {
	if _, ok := parseID(ctx.Param("id")); !ok {
		httpserver.WriteError(h.api, ctx, users.ErrNotFound)
		return
	}
	next(ctx)
}

func (h handlers) authenticate(ctx huma.Context) (application.Actor, error) {
	given := 0
	ctx.EachHeader(func(name, _ string) {
		if name == "Authorization" {
			given++
		}
	})
	scheme, token, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if given != 1 || !strings.EqualFold(scheme, "Bearer") { // of two, a proxy may have looked at the other
		return application.Actor{}, users.ErrUnauthenticated
	}
	return h.service.Authenticate(ctx.Context(), originOf(ctx.Context()), token)
}

// originOf returns where a request came from.
func originOf(ctx context.Context) domain.Origin {
	client := httpserver.ClientOf(ctx)
	return domain.NewOrigin(client.Address, client.UserAgent)
}

// actorOf returns who guard let pass.
func actorOf(ctx context.Context) application.Actor {
	actor, ok := ctx.Value(actorKey{}).(application.Actor)
	if !ok {
		panic("httpapi: a handler without a use case asked for its actor")
	}
	return actor
}
