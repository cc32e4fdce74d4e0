package mail

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tickr/tickr/modules/users/internal/application"
)

type sends func(context.Context, application.Mail) error

func (s sends) Send(ctx context.Context, m application.Mail) error { return s(ctx, m) }

func TestTraced(t *testing.T) {
	t.Parallel()
	mail := application.Mail{Kind: application.MailVerifyEmail, To: "canary@example.com", FirstName: "Canary", Token: "canary"}
	for status, outcome := range map[string]error{
		"Unset": nil,
		"Error": fmt.Errorf("canary@example.com: %w", application.ErrUndeliverable),
	} {
		spans := tracetest.NewSpanRecorder()
		mailer := Traced(sends(func(ctx context.Context, m application.Mail) error {
			require.True(t, trace.SpanFromContext(ctx).IsRecording())
			require.Equal(t, mail, m)
			return outcome
		}), sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
		require.Equal(t, outcome, mailer.Send(t.Context(), mail))
		span := spans.Ended()[0]
		require.False(t, span.Parent().IsValid(), "a trace of its own")
		require.Equal(t, status, span.Status().Code.String())
		told := fmt.Sprint(span.Name(), span.Attributes(), span.Status(), span.Events())
		require.Contains(t, told, "verify_email")
		require.NotContains(t, told, "anary")
	}
}
