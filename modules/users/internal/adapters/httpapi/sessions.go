package httpapi

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/mileusna/useragent"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

type sessionJSON struct {
	ID         uuid.UUID   `json:"id" format:"uuid"`
	Device     string      `json:"device" doc:"What the client says it is, in short" example:"Firefox on Linux"`
	Address    *netip.Addr `json:"address" nullable:"true" format:"ip" doc:"Where it was used last" example:"192.0.2.1"`
	CreatedAt  time.Time   `json:"createdAt" doc:"When it began, with a login"`
	LastUsedAt time.Time   `json:"lastUsedAt" doc:"When its refresh token was last exchanged, or when it began"`
	ExpiresAt  time.Time   `json:"expiresAt" doc:"When it ends unless it is used before"`
	Current    bool        `json:"current" doc:"Whether it is the one that asks"`
}

type sessionsOutput struct {
	Body struct {
		Data []sessionJSON `json:"data" nullable:"false" doc:"The live sessions, the one begun last first; at most 100"`
	}
}

func (h handlers) ownSessions(ctx context.Context, _ *struct{}) (*sessionsOutput, error) {
	actor := actorOf(ctx)
	live, err := h.service.OwnSessions(ctx, actor)
	if err != nil {
		return nil, err
	}
	out := &sessionsOutput{}
	out.Body.Data = make([]sessionJSON, len(live))
	for i, session := range live {
		s := session.State()
		out.Body.Data[i] = sessionJSON{
			ID: s.ID, Device: device(s.Origin), Address: s.Address, CreatedAt: s.CreatedAt, LastUsedAt: session.LastUsed(),
			ExpiresAt: s.ExpiresAt, Current: s.ID == actor.Session,
		}
	}
	return out, nil
}

// device says in short what a client says it is.
func device(from domain.Origin) string {
	if from.UserAgent == nil {
		return "Unknown"
	}
	parsed := useragent.Parse(*from.UserAgent)
	parts := []string{parsed.Name, parsed.OS}
	if parsed.Name == "" {
		parts[0], _, _ = strings.Cut(*from.UserAgent, "/")
	}
	if parsed.OS == "" {
		parts = parts[:1]
	}
	return strings.Join(parts, " on ")
}

// sessionPath is the path of a session.
type sessionPath struct {
	ID string `path:"id" doc:"UUID of the session"`
}

func (h handlers) endOwnSession(ctx context.Context, in *sessionPath) (*struct{}, error) {
	id, ok := parseID(in.ID)
	if !ok {
		return nil, users.ErrNotFound
	}
	return nil, h.service.EndOwnSession(ctx, actorOf(ctx), id)
}

func (h handlers) endOtherSessions(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, h.service.EndOtherSessions(ctx, actorOf(ctx))
}

func (h handlers) endSessions(ctx context.Context, in *IDPath) (*struct{}, error) {
	id, err := in.parse()
	if err != nil {
		return nil, err
	}
	return nil, h.service.EndSessions(ctx, actorOf(ctx), id)
}
