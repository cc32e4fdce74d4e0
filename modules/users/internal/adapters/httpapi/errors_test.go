package httpapi_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/tickr/tickr/modules/users"
	"github.com/tickr/tickr/modules/users/internal/adapters/httpapi"
	"github.com/tickr/tickr/modules/users/internal/domain"
)

func TestEverySentinelHasAnAnswer(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		err    error
		status int
		code   string
	}{
		"ErrUnauthenticated":    {users.ErrUnauthenticated, 401, "unauthenticated"},
		"ErrTokenExpired":       {users.ErrTokenExpired, 401, "token_expired"},
		"ErrSessionEnded":       {users.ErrSessionEnded, 401, "session_ended"},
		"ErrInvalidCredentials": {users.ErrInvalidCredentials, 401, "invalid_credentials"},
		"ErrEmailNotVerified":   {users.ErrEmailNotVerified, 403, "email_not_verified"},
		"ErrDeactivated":        {users.ErrDeactivated, 403, "account_deactivated"},
		"ErrForbidden":          {users.ErrForbidden, 403, "forbidden"},
		"ErrNotFound":           {users.ErrNotFound, 404, "not_found"},
		"ErrEmailTaken":         {users.ErrEmailTaken, 409, "email_taken"},
		"ErrPhoneTaken":         {users.ErrPhoneTaken, 409, "phone_taken"},
		"ErrLastAdmin":          {users.ErrLastAdmin, 409, "last_admin"},
		"ErrStale":              {users.ErrStale, 412, "stale_version"},
		"ErrTokenInvalid":       {users.ErrTokenInvalid, 422, "token_invalid"},
		"ErrSMSUnavailable":     {users.ErrSMSUnavailable, 503, "sms_unavailable"},
		"ErrOverloaded":         {users.ErrOverloaded, 503, "overloaded"},
	}
	for _, name := range sentinels(t) {
		require.Contains(t, rows, name, "a sentinel of the contract that is answered as a fault")
	}
	for name, row := range rows {
		for _, err := range []error{row.err, fmt.Errorf("do something: %w", row.err), errors.Join(errors.New("first"), row.err)} {
			p := httpapi.Problem(err)
			require.NotNil(t, p, name)
			require.Equal(t, row.status, p.Status, name)
			require.Equal(t, row.code, p.Code, name)
			require.NotEmpty(t, p.Detail, name)
		}
	}
}

// sentinels returns the names that the contract declares in errors.go.
func sentinels(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../../errors.go", nil, 0)
	require.NoError(t, err)
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			names = append(names, spec.Names[0].Name)
		}
		return true
	})
	require.NotEmpty(t, names)
	return names
}

func TestOtherErrors(t *testing.T) {
	t.Parallel()
	require.Nil(t, httpapi.Problem(errors.New("a fault")))
	require.Nil(t, httpapi.Problem(context.Canceled), "nobody waits for the answer")

	invalid := httpapi.Problem(fmt.Errorf("register: %w", domain.Invalid("email", domain.CodeInvalid, "must be one")))
	require.Equal(t, http.StatusUnprocessableEntity, invalid.Status)
	require.Len(t, invalid.Errors, 1)

	for _, err := range []error{
		driver.ErrBadConn, context.DeadlineExceeded, &pgconn.PgError{Code: "57014"}, &pgconn.PgError{Code: "53300"},
		fmt.Errorf("begin: %w", &pgconn.ConnectError{}),
	} {
		p := httpapi.Problem(err)
		require.NotNil(t, p, err)
		require.Equal(t, http.StatusServiceUnavailable, p.Status)
		require.Equal(t, "unavailable", p.Code)
	}
}
