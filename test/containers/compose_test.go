package containers

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/tickr/tickr/test/program"
)

// load reads compose.yaml as `docker compose` does, with the secrets in a file.
func load(t *testing.T, secrets string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{inRepository(t, "compose.yaml")}, cli.WithEnvFiles(secrets), cli.WithDotEnv, cli.WithResolvedPaths(true))
	require.NoError(t, err)
	return options.LoadProject(t.Context())
}

// project is compose.yaml with the secrets that make writes.
func project(t *testing.T) *types.Project {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", "--silent", "--file", inRepository(t, "Makefile"), ".env")
	cmd.Dir = t.TempDir()
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	secrets := filepath.Join(cmd.Dir, ".env")
	info, err := os.Stat(secrets)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	loaded, err := load(t, secrets)
	require.NoError(t, err)
	return loaded
}

// environment is that of a service, but for some variables, and without those that are empty.
func environment(t *testing.T, service string, but map[string]string) []string {
	t.Helper()
	var env []string
	for name, value := range project(t).Services[service].Environment {
		if other, ok := but[name]; ok {
			value = &other
		}
		if value != nil && *value != "" {
			env = append(env, name+"="+*value)
		}
		delete(but, name)
	}
	for name, value := range but {
		env = append(env, name+"="+value)
	}
	return env
}

func TestComposeNeedsItsSecrets(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), ".env")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	_, err := load(t, empty)
	require.ErrorContains(t, err, "make up writes one into .env")
}

func TestServices(t *testing.T) {
	t.Parallel()
	all := project(t)
	require.ElementsMatch(t, []string{"api", "certificate", "db", "grafana", "mail", "migrate", "prometheus"}, all.ServiceNames())
	for name, service := range all.Services {
		once := service.Restart == "no"
		if service.Build == nil {
			require.Regexp(t, pinned, service.Image, name)
			require.NotEqual(t, once, service.HealthCheck != nil, "%s runs once, or says how it is", name)
		}
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is for this machine alone", name)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				require.True(t, volume.ReadOnly, volume.Source)
				require.DirExists(t, volume.Source)
			} else {
				require.Contains(t, all.Volumes, volume.Source)
			}
		}
		for on, dependency := range service.DependsOn {
			want := types.ServiceConditionHealthy
			if all.Services[on].Restart == "no" {
				want = types.ServiceConditionCompletedSuccessfully
			}
			require.Equal(t, want, dependency.Condition, "%s waits for %s", name, on)
		}
	}
	for _, name := range []string{"api", "migrate"} {
		service := all.Services[name]
		require.True(t, service.ReadOnly)
		require.Equal(t, []string{"ALL"}, service.CapDrop)
		require.Contains(t, service.SecurityOpt, "no-new-privileges:true")
	}
	require.Equal(t, types.ShellCommand{"migrate", "up"}, all.Services["migrate"].Command)
}

// TestMonitoringFindsTheServices: what is mounted names machines, ports and folders that there are.
func TestMonitoringFindsTheServices(t *testing.T) {
	t.Parallel()
	all := project(t)
	var scraped struct {
		Configs []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
		Rules []string `yaml:"rule_files"`
	}
	read(t, "configs/prometheus/prometheus.yml", &scraped)
	var targets []string
	for _, config := range scraped.Configs {
		for _, static := range config.Static {
			targets = append(targets, static.Targets...)
		}
	}
	require.Contains(t, targets, "api"+*all.Services["api"].Environment["OPS_ADDR"])
	for _, file := range scraped.Rules {
		inRepository(t, path.Join("configs/prometheus", file))
	}

	mount := all.Services["grafana"].Volumes[0]
	require.Equal(t, inRepository(t, "configs/grafana"), mount.Source)
	require.Equal(t, path.Join(mount.Target, "provisioning"), *all.Services["grafana"].Environment["GF_PATHS_PROVISIONING"])
	var provisioned struct{ Datasources []struct{ URL string } }
	read(t, "configs/grafana/provisioning/datasources/prometheus.yml", &provisioned)
	require.Equal(t, "http://prometheus:9090", provisioned.Datasources[0].URL)
	providers, err := filepath.Glob(filepath.Join(mount.Source, "provisioning/dashboards/*"))
	require.NoError(t, err)
	for _, file := range providers {
		var boards struct {
			Providers []struct{ Options struct{ Path string } }
		}
		read(t, filepath.Join("configs/grafana/provisioning/dashboards", filepath.Base(file)), &boards)
		for _, provider := range boards.Providers {
			inside, mounted := strings.CutPrefix(provider.Options.Path, mount.Target+"/")
			require.True(t, mounted, "%s is not below %s, where compose.yaml mounts configs/grafana", provider.Options.Path, mount.Target)
			inRepository(t, path.Join("configs/grafana", inside))
		}
	}
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(inRepository(t, file))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(raw, into))
}

// TestEveryVariableIsRead by the program. That production accepts what they are set to, TestTheImageServes shows.
func TestEveryVariableIsRead(t *testing.T) {
	t.Parallel()
	documented, err := os.ReadFile(inRepository(t, "configs/dev.env"))
	require.NoError(t, err)
	known := []string{"SSL_CERT_FILE"} // Go reads it
	for _, match := range regexp.MustCompile(`(?m)^#?([A-Z_]+)=`).FindAllStringSubmatch(string(documented), -1) {
		known = append(known, match[1])
	}
	for _, service := range []string{"api", "migrate"} {
		env := environment(t, service, map[string]string{"BOOTSTRAP_ADMIN_EMAIL": program.AdminEmail, "BOOTSTRAP_ADMIN_PASSWORD": program.AdminPassword})
		for _, pair := range env {
			name, _, _ := strings.Cut(pair, "=")
			require.True(t, slices.Contains(known, name), "%s of %s is not in configs/dev.env", name, service)
		}
	}
}
