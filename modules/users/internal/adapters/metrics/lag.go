package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// NewLag returns a collector that shows how long ago the changes of other instances were last looked for.
func NewLag(lag func() time.Duration) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tickr_users_cache_lag_seconds",
		Help: "Time since the changes of other instances were last read: what they changed before is not served any more.",
	}, func() float64 { return lag().Seconds() })
}
