package httpapi

import (
	"context"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

// param is a query parameter that may be left out.
type param[T any] struct {
	Value T
	IsSet bool
}

// Schema describes the parameter as its value.
func (p param[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver tells huma where to put the value.
func (p *param[T]) Receiver() reflect.Value { return reflect.ValueOf(p).Elem().Field(0) }

// OnParamSet is told by huma whether the parameter was given.
func (p *param[T]) OnParamSet(isSet bool, _ any) { p.IsSet = isSet }

func (p *param[T]) pointer() *T {
	if !p.IsSet {
		return nil
	}
	return &p.Value
}

type listInput struct {
	Page          param[int]  `query:"page" doc:"From 1; not together with cursor" example:"1"`
	Limit         int         `query:"limit" default:"20" doc:"1 to 100"`
	Cursor        string      `query:"cursor" doc:"nextCursor of the answer before, in the same order"`
	Sort          string      `query:"sort" default:"-createdAt" doc:"createdAt, lastLoginAt (never comes first), email or lastName, with - before it for descending"`
	Q             string      `query:"q" doc:"Up to 8 words to find, all of them, in the names, the e-mail address or the phone number, in any case of letters. One of one or two characters is found where a name, the address or the number begins (+216...), a longer one anywhere. A phone number that is all there is may be written with spaces, dots, hyphens and parentheses" example:"ada lov"`
	Role          string      `query:"role" doc:"PARTICIPANT, ORGANIZER or ADMIN"`
	IsActive      param[bool] `query:"isActive"`
	EmailVerified param[bool] `query:"emailVerified"`
	IsOrganizer   param[bool] `query:"isOrganizer"`
	CreatedFrom   string      `query:"createdFrom" doc:"RFC 3339 time or date, inclusive" example:"2026-01-31T12:00:00Z"`
	CreatedTo     string      `query:"createdTo" doc:"RFC 3339 time or date, inclusive: a date means its whole day" example:"2026-01-31"`
}

func (in *listInput) listing() (application.Listing, error) {
	var invalid domain.InvalidError
	listing := application.Listing{
		Filter: application.Filter{
			IsActive: in.IsActive.pointer(), EmailVerified: in.EmailVerified.pointer(), IsOrganizer: in.IsOrganizer.pointer(),
		},
		Page: 1, Limit: in.Limit, Cursor: in.Cursor,
	}
	if in.Page.IsSet {
		listing.Page = in.Page.Value
		if in.Cursor != "" {
			invalid.Add("page", &domain.Violation{Code: domain.CodeInvalid, Message: "cannot be combined with cursor"})
		}
	}
	listing.Order = domain.Field(&invalid, "sort", in.Sort, application.ParseOrder)
	listing.Search = domain.Field(&invalid, "q", in.Q, domain.ParseSearch)
	if in.Role != "" {
		role := domain.Field(&invalid, "role", in.Role, domain.ParseRole)
		listing.Role = &role
	}
	listing.CreatedFrom = domain.Field(&invalid, "createdFrom", in.CreatedFrom, firstInstant)
	listing.CreatedTo = domain.Field(&invalid, "createdTo", in.CreatedTo, lastInstant)
	return listing, invalid.Err()
}

// Resolve makes huma name what is wrong by the rules of the list together with what is wrong by the schema.
func (in *listInput) Resolve(huma.Context) []error {
	listing, err := in.listing()
	return append(violations(err), violations(listing.Validate())...)
}

// firstInstant reads a time, or a date as its beginning in UTC. Nothing is no time.
func firstInstant(text string) (*time.Time, *domain.Violation) {
	if text == "" {
		return nil, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		at, err := time.Parse(layout, text)
		// What the zone moves out of these years PostgreSQL would read as something else, or not at all.
		if at = at.UTC(); err == nil && at.Year() >= 1 && at.Year() <= 9999 {
			return &at, nil
		}
	}
	return nil, &domain.Violation{Code: domain.CodeInvalid, Message: "must be a time like 2026-01-31T12:00:00Z or a date like 2026-01-31"}
}

// lastInstant reads a time, or a date as its last microsecond in UTC. Nothing is no time.
func lastInstant(text string) (*time.Time, *domain.Violation) {
	at, violation := firstInstant(text)
	if at != nil && len(text) == len(time.DateOnly) {
		end := at.AddDate(0, 0, 1).Add(-time.Microsecond)
		at = &end
	}
	return at, violation
}

type listMeta struct {
	Total      int64   `json:"total" doc:"All users that match, on every page. What q finds is counted up to 10,000; nextCursor leads on"`
	Page       *int    `json:"page" nullable:"true" doc:"null when asked by cursor"`
	Limit      int     `json:"limit"`
	TotalPages int64   `json:"totalPages"`
	NextCursor *string `json:"nextCursor" nullable:"true" doc:"null at the end"`
}

type listOutput struct {
	Body struct {
		Data []profile `json:"data" nullable:"false"`
		Meta listMeta  `json:"meta"`
	}
}

func (h handlers) list(ctx context.Context, in *listInput) (*listOutput, error) {
	listing, err := in.listing()
	if err != nil {
		return nil, err
	}
	listed, err := h.service.List(ctx, actorOf(ctx), listing)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	out.Body.Data = profiles(listed.Users)
	meta := &out.Body.Meta
	meta.Total, meta.Limit = listed.Total, listed.Limit
	meta.TotalPages = (listed.Total + int64(listed.Limit) - 1) / int64(listed.Limit)
	if listed.Page > 0 {
		meta.Page = &listed.Page
	}
	if listed.Next != "" {
		meta.NextCursor = &listed.Next
	}
	return out, nil
}
