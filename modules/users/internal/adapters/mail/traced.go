package mail

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tickr/tickr/modules/users/internal/application"
	"github.com/tickr/tickr/platform/telemetry"
)

type traced struct {
	mailer application.Mailer
	tracer trace.Tracer
}

// Traced returns a mailer of which each Send is a trace of its own: the request that queued the mail ended long before.
func Traced(m application.Mailer, provider trace.TracerProvider) application.Mailer {
	return traced{m, provider.Tracer(telemetry.Scope)}
}

// Send implements application.Mailer.
func (t traced) Send(ctx context.Context, m application.Mail) error {
	ctx, span := t.tracer.Start(ctx, "send mail", trace.WithSpanKind(trace.SpanKindProducer))
	defer span.End()
	span.SetAttributes(attribute.String("tickr.mail.kind", string(m.Kind)))
	err := t.mailer.Send(ctx, m)
	if err != nil {
		telemetry.Fail(span, telemetry.ErrorKind(err))
	}
	return err
}
