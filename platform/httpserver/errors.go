package httpserver

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/gin-gonic/gin"
)

// What the client is told about faults, whatever they are.
var (
	internalError = standard(http.StatusInternalServerError, "Something went wrong on our side.")
	unavailable   = standard(http.StatusServiceUnavailable, "The service is busy. Please try again shortly.")
	clientClosed  = standard(statusClientClosed, "The client closed the connection.")
)

const unreadableBody = "The body must be one JSON value in UTF-8, without duplicate names, NUL characters or anything after it."

// setGlobals makes the libraries' global settings ours, once per process.
var setGlobals = sync.OnceFunc(func() {
	gin.SetMode(gin.ReleaseMode)
	huma.ValidateStrictCasing = true
	huma.NewError = newError
	huma.NewErrorWithContext = newErrorWithContext
})

const translateKey = "httpserver.translate"

// MapErrors returns api for operations whose handlers return the errors of
// their module as they are: translate makes the expected ones Problems. It
// returns nil for a fault, which is answered as 500 (503 when time ran out),
// says nothing to the client and is logged once with the request. So is the
// error behind a translation that is itself a 5xx.
func MapErrors(api huma.API, translate func(error) *Problem) huma.API {
	group := huma.NewGroup(api)
	group.UseSimpleModifier(func(op *huma.Operation) {
		metadata := map[string]any{translateKey: translate}
		maps.Copy(metadata, op.Metadata)
		op.Metadata = metadata
	})
	return group
}

// WriteError answers with err from a huma middleware, in the way in which the
// error of a handler is answered. The middleware must not call next after it.
func WriteError(api huma.API, ctx huma.Context, err error) {
	// What it returns is the failure to write, which huma has printed.
	_ = huma.WriteErr(api, ctx, http.StatusInternalServerError, "", err)
}

// refuseUntil answers operations with 503 until the program is prepared for them.
func refuseUntil(api huma.API, prepared func() bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if !prepared() {
			WriteError(api, ctx, unavailable)
			return
		}
		next(ctx)
	}
}

// newErrorWithContext stands in for huma's, which shows the values of wrong
// fields and the text of faults to the client.
func newErrorWithContext(ctx huma.Context, status int, detail string, errs ...error) huma.StatusError {
	if status == http.StatusInternalServerError {
		return problemOf(ctx, errors.Join(errs...))
	}
	return newError(status, detail, errs...)
}

func newError(status int, detail string, errs ...error) huma.StatusError {
	switch {
	case status >= http.StatusInternalServerError:
		return standard(status, internalError.Detail)
	case status == http.StatusUnprocessableEntity:
		return Invalid(fieldErrors(errs)...)
	case status == http.StatusBadRequest && len(errs) > 0:
		return standard(status, unreadableBody)
	default:
		return standard(status, detail)
	}
}

// problemOf decides how an error that is no Problem yet is answered, and leaves
// faults with the request for the log.
func problemOf(ctx huma.Context, err error) *Problem {
	var problem *Problem
	switch {
	case errors.Is(ctx.Context().Err(), context.Canceled):
		return clientClosed
	case errors.As(err, &problem):
		return problem
	}
	if translate, ok := ctx.Operation().Metadata[translateKey].(func(error) *Problem); ok {
		problem = translate(err)
	}
	switch {
	case problem != nil:
	case errors.Is(err, context.DeadlineExceeded):
		problem = unavailable
	default:
		problem = internalError
	}
	if problem.Status >= http.StatusInternalServerError {
		_ = humagin.Unwrap(ctx).Error(err)
	}
	return problem
}

// completeProblem is the transformer through which every answer of huma goes.
func completeProblem(ctx huma.Context, _ string, answer any) (any, error) {
	if problem, ok := answer.(*Problem); ok {
		return problem.answering(humagin.Unwrap(ctx)), nil
	}
	return answer, nil
}

var (
	requiredBefore, requiredAfter, _ = strings.Cut(validation.MsgExpectedRequiredProperty, "%s")

	typeMessages = map[string]bool{
		validation.MsgExpectedBoolean: true,
		validation.MsgExpectedNumber:  true,
		validation.MsgExpectedInteger: true,
		validation.MsgExpectedString:  true,
		validation.MsgExpectedArray:   true,
		validation.MsgExpectedObject:  true,
		// Of parameters; huma has no names for them.
		"invalid boolean": true,
		"invalid float":   true,
		"invalid integer": true,
	}
)

// fieldErrors translates what huma and the resolvers found.
func fieldErrors(errs []error) []FieldError {
	fields := make([]FieldError, len(errs))
	for i, err := range errs {
		var detailer huma.ErrorDetailer
		switch {
		case errors.As(err, &fields[i]):
		case errors.As(err, &detailer):
			fields[i] = fieldError(detailer.ErrorDetail())
		default:
			fields[i] = FieldError{Code: "invalid", Message: "is not valid"}
		}
	}
	return fields
}

func fieldError(detail *huma.ErrorDetail) FieldError {
	if field, ok := strings.CutPrefix(detail.Message, misfit); ok {
		return FieldError{Field: field, Code: "invalid_type", Message: "does not fit the type of the field"}
	}
	// What huma appends after a colon is an error that quotes the value.
	message, _, _ := strings.Cut(detail.Message, ": ")
	field := FieldError{Field: detail.Location, Code: "invalid", Message: message}
	name, isRequired := strings.CutPrefix(message, requiredBefore)
	switch {
	case isRequired:
		field.Field += "." + strings.TrimSuffix(name, requiredAfter)
		field.Code, field.Message = "required", "is required"
	case strings.HasPrefix(message, "required ") && strings.HasSuffix(message, " is missing"):
		field.Code, field.Message = "required", "is required"
	case message == validation.MsgUnexpectedProperty:
		field.Code, field.Message = "unknown_field", "is not a known field"
	case typeMessages[message]:
		field.Code = "invalid_type"
	}
	return field
}
