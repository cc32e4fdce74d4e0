// Package metrics shows the figures about users to Prometheus: what use cases count, and what their storage tells. No label names a
// person.
package metrics

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickr/tickr/modules/users/internal/application"
)

// Meter counts what comes of use cases, and of handing over mail.
type Meter struct {
	logins *prometheus.CounterVec
	mails  *prometheus.CounterVec
}

var _ application.Meter = (*Meter)(nil)

// NewMeter returns a meter that has counted nothing.
func NewMeter() *Meter {
	m := &Meter{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tickr_users_logins_total", Help: "Attempts to log in, by what came of them.",
		}, []string{"outcome"}),
		mails: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tickr_users_mails_total", Help: "Mails handed over, by what came of it: sent, failed (to be tried again) or refused (for good).",
		}, []string{"outcome"}),
	}
	// A series must be there before its first event: an increase from nothing to one is none to Prometheus.
	for _, outcome := range application.LoginOutcomes() {
		m.logins.WithLabelValues(string(outcome))
	}
	for _, outcome := range []string{sent, failed, refused} {
		m.mails.WithLabelValues(outcome)
	}
	return m
}

// LogIn implements application.Meter.
func (m *Meter) LogIn(o application.LoginOutcome) { m.logins.WithLabelValues(string(o)).Inc() }

// Describe implements prometheus.Collector.
func (m *Meter) Describe(descs chan<- *prometheus.Desc) {
	m.logins.Describe(descs)
	m.mails.Describe(descs)
}

// Collect implements prometheus.Collector.
func (m *Meter) Collect(metrics chan<- prometheus.Metric) {
	m.logins.Collect(metrics)
	m.mails.Collect(metrics)
}

// What comes of handing over a mail.
const (
	sent    = "sent"
	failed  = "failed"
	refused = "refused"
)

// Mailer returns a mailer that hands over by another one, and counts.
func (m *Meter) Mailer(by application.Mailer) application.Mailer { return countedMailer{m, by} }

type countedMailer struct {
	meter *Meter
	by    application.Mailer
}

func (c countedMailer) Send(ctx context.Context, mail application.Mail) error {
	err := c.by.Send(ctx, mail)
	outcome := sent
	switch {
	case errors.Is(err, application.ErrUndeliverable):
		outcome = refused
	case err != nil:
		outcome = failed
	}
	c.meter.mails.WithLabelValues(outcome).Inc()
	return err
}
