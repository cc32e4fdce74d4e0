package httpserver

import (
	stdjson "encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
)

// misfit begins the error of a value that passes the schema and still does not
// fit into its Go type, such as 1e30 into an int. The name of the field follows.
const misfit = "value does not fit its field: "

var errNUL = errors.New("NUL character in a string")

// jsonFormat reads requests strictly and writes answers like encoding/json.
var jsonFormat = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}

// unmarshal is called twice by huma: first into an any, to check the document
// against the schema, then into the handler's struct. The first pass is the
// strict one. The second is encoding/json's, which goes on past a value of the
// wrong type: resolvers, which run even when the schema is violated, see all
// other fields, so that one answer names everything that is wrong.
func unmarshal(data []byte, v any) error {
	if document, ok := v.(*any); ok {
		return unmarshalStrict(data, document)
	}
	err := stdjson.Unmarshal(data, v)
	if mismatch, ok := errors.AsType[*stdjson.UnmarshalTypeError](err); ok {
		return errors.New(misfit + mismatch.Field)
	}
	return err
}

// unmarshalStrict refuses duplicate names, invalid UTF-8, data after the value
// and nesting beyond 10,000, as its decoder does, and NUL, which PostgreSQL
// cannot store.
func unmarshalStrict(data []byte, document *any) error {
	if err := json.Unmarshal(data, document); err != nil {
		return err
	}
	if hasNUL(*document) {
		return errNUL
	}
	return nil
}

func hasNUL(value any) bool {
	switch v := value.(type) {
	case string:
		return strings.ContainsRune(v, 0)
	case []any:
		return slices.ContainsFunc(v, hasNUL)
	case map[string]any:
		for name, item := range v {
			if hasNUL(name) || hasNUL(item) {
				return true
			}
		}
	}
	return false
}

// refuseUnexpectedBody is a huma middleware: an operation that takes no body
// accepts none or an empty object.
func refuseUnexpectedBody(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if ctx.Operation().RequestBody == nil {
			if problem := unexpectedBody(ctx.BodyReader()); problem != nil {
				WriteError(api, ctx, problem)
				return
			}
		}
		next(ctx)
	}
}

func unexpectedBody(body io.Reader) *Problem {
	data, err := io.ReadAll(body)
	if err == nil && len(data) == 0 {
		return nil
	}
	var document any
	if err != nil || unmarshalStrict(data, &document) != nil {
		return standard(http.StatusBadRequest, unreadableBody)
	}
	object, ok := document.(map[string]any)
	if !ok {
		return Invalid(FieldError{Code: "invalid_type", Message: "expected no body, or an empty object"})
	}
	var unknown []FieldError
	for name := range object {
		unknown = append(unknown, FieldError{Field: "body." + name, Code: "unknown_field", Message: "is not a known field"})
	}
	if len(unknown) == 0 {
		return nil
	}
	return Invalid(unknown...)
}
