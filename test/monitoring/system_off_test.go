//go:build !system

package monitoring

// system says that figures are looked at.
const system = false
