package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"github.com/tickr/tickr/platform/config"
	"github.com/tickr/tickr/platform/database"
	"github.com/tickr/tickr/platform/database/backup"
	"github.com/tickr/tickr/platform/database/migrate"
	"github.com/tickr/tickr/platform/telemetry"
)

type collected struct {
	fx.In

	Collectors []prometheus.Collector `group:"metrics"`
}

// registerMetrics shows what the modules and the platform tell of themselves. The HTTP server registers its own.
func registerMetrics(registry *prometheus.Registry, cfg config.Config, db *database.Handle, m *migrate.Migrator, c collected, logger *slog.Logger) error {
	platform := []prometheus.Collector{
		buildInfo(), database.NewCollector(db), database.NewServerReading(db, logger),
		schemaReading(db, m, logger), backupReading(cfg.Backup.Dir, logger),
	}
	for _, collector := range append(c.Collectors, platform...) {
		if err := registry.Register(collector); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

func buildInfo() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tickr_build_info", Help: "1; the labels say which program this is.",
		ConstLabels: prometheus.Labels{"version": Version(), "go": runtime.Version()},
	}, func() float64 { return 1 })
}

var (
	applied = prometheus.NewDesc("tickr_migrations_applied", "Migrations of this program that the database has.", nil, nil)
	pending = prometheus.NewDesc("tickr_migrations_pending", "Migrations of this program that the database has not.", nil, nil)
	unknown = prometheus.NewDesc("tickr_migrations_unknown", "Migrations that the database has and this program does not know: a newer one was there.", nil, nil)
)

func schemaReading(db *database.Handle, m *migrate.Migrator, logger *slog.Logger) prometheus.Collector {
	descs := []*prometheus.Desc{applied, pending, unknown}
	return telemetry.NewReading("migrations", logger, descs, func(ctx context.Context) ([]prometheus.Metric, error) {
		status, err := m.StatusOn(ctx, db)
		if err != nil {
			return nil, err
		}
		return []prometheus.Metric{
			telemetry.Gauge(applied, float64(len(status.Applied))), telemetry.Gauge(pending, float64(len(status.Pending))),
			telemetry.Gauge(unknown, float64(len(status.Unknown))),
		}, nil
	})
}

var newestBackup = prometheus.NewDesc("tickr_backup_newest_timestamp_seconds",
	"When the newest backup without known damage was made, in seconds since 1970; 0 when the folder holds none.", nil, nil)

func backupReading(dir string, logger *slog.Logger) prometheus.Collector {
	return telemetry.NewReading("backups", logger, []*prometheus.Desc{newestBackup}, func(context.Context) ([]prometheus.Metric, error) {
		at, err := backup.Newest(dir)
		switch {
		case errors.Is(err, backup.ErrNone):
			return []prometheus.Metric{telemetry.Gauge(newestBackup, 0)}, nil
		case err != nil:
			return nil, err
		}
		return []prometheus.Metric{telemetry.Gauge(newestBackup, float64(at.Unix()))}, nil
	})
}
