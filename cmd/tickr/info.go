package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/tickr/tickr/cmd/tickr/app"
)

func newOpenAPI() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the OpenAPI document", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			document, err := app.OpenAPI()
			if err != nil {
				return err
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, document, "", "  "); err != nil {
				return fmt.Errorf("indent the document: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), indented.String())
			return err
		},
	}
}

func newConfig() *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Print the effective configuration, secrets redacted", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd)
			if err != nil {
				return err
			}
			return cfg.Write(cmd.OutOrStdout())
		},
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), app.Version())
			return err
		},
	}
}

const healthTimeout = 5 * time.Second

func newHealth() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use: "health", Short: "Ask a running server whether it is ready; exit 0 if so, else 1", Args: usage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if address == "" {
				cfg, err := load(cmd)
				if err != nil {
					return err
				}
				address = "http://" + localAddress(cfg.HTTP.Addr)
			}
			request, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, address+"/readyz", http.NoBody)
			if err != nil {
				return fmt.Errorf("%w: %w", app.ErrUsage, err)
			}
			response, err := (&http.Client{Timeout: healthTimeout}).Do(request)
			if err != nil {
				return errors.New("no server answers at " + address)
			}
			defer response.Body.Close() //nolint:errcheck // nothing was written
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("not ready: %s", response.Status)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return err
		},
	}
	cmd.Flags().StringVar(&address, "url", "", "base URL of the server (default: HTTP_ADDR on this machine)")
	return cmd
}

// localAddress is where a client on this machine reaches a server that listens on addr.
func localAddress(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
