package httpapi

import (
	"context"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/application"
)

type actJSON struct {
	ID        uuid.UUID         `json:"id" format:"uuid"`
	CreatedAt time.Time         `json:"createdAt"`
	ActorID   *users.ID         `json:"actorId" nullable:"true" format:"uuid" doc:"Who did it; null: somebody not logged in, or the program"`
	Act       string            `json:"act" doc:"What was done, or tried" example:"login"`
	Outcome   string            `json:"outcome" enum:"success,failure"`
	Address   *netip.Addr       `json:"address" nullable:"true" format:"ip" doc:"Where it was asked for" example:"192.0.2.1"`
	UserAgent *string           `json:"userAgent" nullable:"true"`
	Details   map[string]string `json:"details" doc:"More of it, by act; never a secret"`
}

type trailInput struct {
	IDPath
	Limit  int    `query:"limit" default:"20" doc:"1 to 100"`
	Cursor string `query:"cursor" doc:"nextCursor of the answer before"`
}

func (in *trailInput) page() application.TrailPage {
	return application.TrailPage{Limit: in.Limit, Cursor: in.Cursor}
}

// Resolve makes huma name what is wrong by the rules of the list together with what is wrong by the schema.
func (in *trailInput) Resolve(huma.Context) []error { return violations(in.page().Validate()) }

type trailOutput struct {
	Body struct {
		Data []actJSON `json:"data" nullable:"false" doc:"The newest first"`
		Meta struct {
			Limit      int     `json:"limit"`
			NextCursor *string `json:"nextCursor" nullable:"true" doc:"null at the end"`
		} `json:"meta"`
	}
}

func (h handlers) trail(ctx context.Context, in *trailInput) (*trailOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	trail, err := h.service.TrailOf(ctx, actorOf(ctx), id, in.page())
	if err != nil {
		return nil, err
	}
	out := &trailOutput{}
	out.Body.Data = make([]actJSON, len(trail.Entries))
	for i, e := range trail.Entries {
		out.Body.Data[i] = actJSON{
			ID: e.ID, CreatedAt: e.CreatedAt, ActorID: e.ActorID, Act: string(e.Act), Outcome: string(e.Outcome),
			Address: e.Origin.Address, UserAgent: e.Origin.UserAgent, Details: e.Details,
		}
	}
	out.Body.Meta.Limit = trail.Limit
	if trail.Next != "" {
		out.Body.Meta.NextCursor = &trail.Next
	}
	return out, nil
}
