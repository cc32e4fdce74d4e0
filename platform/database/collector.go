package database

import "github.com/prometheus/client_golang/prometheus"

var (
	poolSize     = prometheus.NewDesc("tickr_db_pool_connections_max", "Largest number of connections.", nil, nil)
	poolTotal    = prometheus.NewDesc("tickr_db_pool_connections", "Open connections.", nil, nil)
	poolInUse    = prometheus.NewDesc("tickr_db_pool_connections_in_use", "Connections that are working.", nil, nil)
	poolIdle     = prometheus.NewDesc("tickr_db_pool_connections_idle", "Connections that wait for work.", nil, nil)
	poolWaiting  = prometheus.NewDesc("tickr_db_pool_waiting", "Callers that want a connection and have none yet.", nil, nil)
	poolAcquired = prometheus.NewDesc("tickr_db_pool_acquired_total", "Connections handed out.", nil, nil)
	poolWaited   = prometheus.NewDesc("tickr_db_pool_waited_total", "Connections that had to be waited for.", nil, nil)
	poolWait     = prometheus.NewDesc("tickr_db_pool_wait_seconds_total", "Time spent waiting for connections.", nil, nil)
	poolGaveUp   = prometheus.NewDesc("tickr_db_pool_gave_up_total", "Waits for a connection that ended without one.", nil, nil)
)

// Collector shows the state of a pool to Prometheus.
type Collector struct{ handle *Handle }

// NewCollector returns a collector of the pool of h.
func NewCollector(h *Handle) Collector { return Collector{h} }

// Describe implements prometheus.Collector.
func (Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{poolSize, poolTotal, poolInUse, poolIdle, poolWaiting, poolAcquired, poolWaited, poolWait, poolGaveUp} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.handle.pool.Stat()
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	ch <- prometheus.MustNewConstMetric(poolSize, gauge, float64(s.MaxConns()))
	ch <- prometheus.MustNewConstMetric(poolTotal, gauge, float64(s.TotalConns()))
	ch <- prometheus.MustNewConstMetric(poolInUse, gauge, float64(s.AcquiredConns()))
	ch <- prometheus.MustNewConstMetric(poolIdle, gauge, float64(s.IdleConns()))
	ch <- prometheus.MustNewConstMetric(poolWaiting, gauge, float64(c.handle.waiting.Load()))
	ch <- prometheus.MustNewConstMetric(poolAcquired, counter, float64(s.AcquireCount()))
	ch <- prometheus.MustNewConstMetric(poolWaited, counter, float64(s.EmptyAcquireCount()))
	ch <- prometheus.MustNewConstMetric(poolWait, counter, s.EmptyAcquireWaitTime().Seconds())
	ch <- prometheus.MustNewConstMetric(poolGaveUp, counter, float64(s.CanceledAcquireCount()))
}
