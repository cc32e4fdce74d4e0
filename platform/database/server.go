package database

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tickr/tickr/platform/telemetry"
)

var (
	archiveOn       = prometheus.NewDesc("tickr_postgres_archive_enabled", "Whether the server archives its WAL.", nil, nil)
	archiveFailing  = prometheus.NewDesc("tickr_postgres_archive_failing", "Whether the last try to archive a WAL file failed.", nil, nil)
	archiveArchived = prometheus.NewDesc("tickr_postgres_archive_archived_total", "WAL files archived.", nil, nil)
	archiveFailed   = prometheus.NewDesc("tickr_postgres_archive_failed_total", "Tries to archive a WAL file that failed.", nil, nil)
	archiveLast     = prometheus.NewDesc("tickr_postgres_archive_last_timestamp_seconds", "When a WAL file was last archived, in seconds since 1970; 0: never.", nil, nil)
	archiveWaiting  = prometheus.NewDesc("tickr_postgres_archive_waiting_files", "WAL files to be archived; shown to members of pg_monitor.", nil, nil)
	archiveLag      = prometheus.NewDesc("tickr_postgres_archive_lag_seconds", "Age of the oldest WAL file to be archived, 0 when none is; shown to members of pg_monitor.", nil, nil)

	replicaLag   = prometheus.NewDesc("tickr_postgres_replica_lag_bytes", "WAL that a replica or receiver has not yet stored; shown to members of pg_monitor.", []string{"replica"}, nil)
	slotActive   = prometheus.NewDesc("tickr_postgres_slot_active", "Whether somebody reads a replication slot.", []string{"slot"}, nil)
	slotRetained = prometheus.NewDesc("tickr_postgres_slot_retained_bytes", "WAL that is kept for a replication slot.", []string{"slot"}, nil)
)

// NewServerReading returns what the server of h tells of its archive and its replicas.
func NewServerReading(h *Handle, logger *slog.Logger) *telemetry.Reading {
	descs := []*prometheus.Desc{
		archiveOn, archiveFailing, archiveArchived, archiveFailed, archiveLast, archiveWaiting, archiveLag, replicaLag, slotActive, slotRetained,
	}
	return telemetry.NewReading("postgres", logger, descs, func(ctx context.Context) ([]prometheus.Metric, error) {
		var figures []prometheus.Metric
		for _, part := range []struct {
			name string
			read func(context.Context) ([]prometheus.Metric, error)
		}{{"archive", h.archiver}, {"archive queue", h.archiveQueue}, {"replicas", h.replicas}, {"replication slots", h.slots}} {
			more, err := part.read(ctx)
			if err != nil {
				return nil, fmt.Errorf("look at the server's %s: %w", part.name, err)
			}
			figures = append(figures, more...)
		}
		return figures, nil
	})
}

func (h *Handle) archiver(ctx context.Context) ([]prometheus.Metric, error) {
	var (
		on, failing      bool
		archived, failed int64
		last             *time.Time
	)
	err := h.pool.QueryRow(ctx, `SELECT current_setting('archive_mode') <> 'off', archived_count, failed_count, last_archived_time,
		coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) FROM pg_stat_archiver`).
		Scan(&on, &archived, &failed, &last, &failing)
	if err != nil {
		return nil, err
	}
	since := 0.0
	if last != nil {
		since = float64(last.UnixMilli()) / 1000
	}
	return []prometheus.Metric{
		telemetry.Truth(archiveOn, on), telemetry.Truth(archiveFailing, on && failing), telemetry.Counter(archiveArchived, float64(archived)),
		telemetry.Counter(archiveFailed, float64(failed)), telemetry.Gauge(archiveLast, since),
	}, nil
}

// archiveQueue returns nothing where the account may not look.
func (h *Handle) archiveQueue(ctx context.Context) ([]prometheus.Metric, error) {
	var may bool
	if err := h.pool.QueryRow(ctx, "SELECT has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')").Scan(&may); err != nil || !may {
		return nil, err
	}
	var (
		files int64
		age   float64
	)
	err := h.pool.QueryRow(ctx, `SELECT count(*), coalesce(extract(epoch FROM now() - min(modification)), 0)::float8
		FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'`).Scan(&files, &age)
	if err != nil {
		return nil, err
	}
	return []prometheus.Metric{telemetry.Gauge(archiveWaiting, float64(files)), telemetry.Gauge(archiveLag, max(0, age))}, nil
}

// written is how far the server has written its WAL, or, itself a replica, received it.
const written = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END"

func (h *Handle) replicas(ctx context.Context) ([]prometheus.Metric, error) {
	rows, err := h.pool.Query(ctx, `SELECT application_name, max(pg_wal_lsn_diff(`+written+`, flush_lsn))::float8
		FROM pg_stat_replication WHERE flush_lsn IS NOT NULL GROUP BY application_name`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (prometheus.Metric, error) {
		var name string
		var behind float64
		err := row.Scan(&name, &behind)
		return telemetry.Gauge(replicaLag, max(0, behind), name), err
	})
}

func (h *Handle) slots(ctx context.Context) ([]prometheus.Metric, error) {
	rows, err := h.pool.Query(ctx, `SELECT slot_name, active, coalesce(pg_wal_lsn_diff(`+written+`, restart_lsn), 0)::float8 FROM pg_replication_slots`)
	if err != nil {
		return nil, err
	}
	var (
		figures  []prometheus.Metric
		slot     string
		active   bool
		retained float64
	)
	_, err = pgx.ForEachRow(rows, []any{&slot, &active, &retained}, func() error {
		figures = append(figures, telemetry.Truth(slotActive, active, slot), telemetry.Gauge(slotRetained, max(0, retained), slot))
		return nil
	})
	return figures, err
}
