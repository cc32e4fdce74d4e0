package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// tools runs programs of PostgreSQL. How they connect is told through a pipe: a command line is visible to everybody, an environment
// to other programs of the account, and a file outlives us when we are killed.
type tools struct {
	bin     string // folder of the programs
	service string // how to connect, as a service file
}

const serviceName = "tickr"

// forTools are the parameters of a URL that the programs know as well; pgx and the server know more.
var forTools = regexp.MustCompile(`^(ssl\w+|gss\w+|krbsrvname|channel_binding|require_auth|target_session_attrs|keepalives\w*|tcp_user_timeout|options)$`)

func newTools(bin string, config *pgx.ConnConfig, dsn string) (*tools, error) {
	address, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("the database connection string is no URL") // it holds a password
	}
	hosts, ports := addresses(config)
	lines := []string{
		"host=" + hosts, "port=" + ports, "user=" + config.User, "dbname=" + config.Database, "password=" + config.Password,
		"connect_timeout=" + strconv.Itoa(max(1, int(config.ConnectTimeout.Seconds()))),
	}
	for name, values := range address.Query() {
		if forTools.MatchString(name) {
			lines = append(lines, name+"="+values[len(values)-1])
		}
	}
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n") || line != strings.TrimSpace(line) {
			name, _, _ := strings.Cut(line, "=")
			return nil, fmt.Errorf("the %s in the database connection string holds a line break or ends in a space, which the programs of PostgreSQL cannot be told", name)
		}
	}
	return &tools{bin: bin, service: "[" + serviceName + "]\n" + strings.Join(lines, "\n") + "\n"}, nil
}

// addresses lists the servers of a connection string as the programs want them: pgx tries some twice, with and without TLS.
func addresses(config *pgx.ConnConfig) (hosts, ports string) {
	all := []string{net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}
	for _, other := range config.Fallbacks {
		if address := net.JoinHostPort(other.Host, strconv.Itoa(int(other.Port))); !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	var h, p []string
	for _, address := range all {
		host, port, _ := net.SplitHostPort(address) // joined above
		h, p = append(h, host), append(p, port)
	}
	return strings.Join(h, ","), strings.Join(p, ",")
}

// command prepares a program. It sees nothing of our environment, which may hold secrets, but what TLS needs.
func (t *tools) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(t.bin, name), args...)
	cmd.Env = []string{
		"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"PGSERVICEFILE=/dev/fd/3", "PGSERVICE=" + serviceName, "PGAPPNAME=" + session["application_name"],
	}
	for _, pair := range os.Environ() {
		if strings.HasPrefix(pair, "PGSSL") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C in a terminal is ours to handle
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// start starts a program that reads how to connect from /dev/fd/3, and list from /dev/fd/4.
func (t *tools) start(cmd *exec.Cmd, list string) error {
	for _, text := range []string{t.service, list} {
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("run %s: %w", filepath.Base(cmd.Path), err)
		}
		defer func() { _ = r.Close() }() // the program has its own
		cmd.ExtraFiles = append(cmd.ExtraFiles, r)
		go func() {
			_, _ = io.WriteString(w, text) // a program that does not want it has ended, or does not connect
			_ = w.Close()
		}()
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", filepath.Base(cmd.Path), err)
	}
	return nil
}

// read runs a program, which may read list, and copies what it prints to w.
func (t *tools) read(ctx context.Context, w io.Writer, list, name string, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := t.command(ctx, name, args...)
	var said tail
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	if err := t.start(cmd, list); err != nil {
		return err
	}
	_, copying := io.Copy(w, out)
	if copying != nil {
		cancel()
	}
	return outcome(name, copying, cmd.Wait(), &said)
}

// write runs a program that is fed through its standard input; what it prints there is dropped.
func (t *tools) write(ctx context.Context, feed func(w io.Writer) error, name string, args ...string) error {
	cmd := t.command(ctx, name, args...)
	var said tail
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("run %s: %w", name, err)
	}
	if err := t.start(cmd, ""); err != nil {
		return err
	}
	feeding := errors.Join(feed(in), in.Close())
	err = cmd.Wait()
	if err != nil && errors.Is(feeding, syscall.EPIPE) {
		feeding = nil // the program had ended by itself: it says why
	}
	return outcome(name, feeding, err, &said)
}

func outcome(name string, ours, its error, said *tail) error {
	switch {
	case ours != nil:
		return ours
	case its != nil:
		return fmt.Errorf("run %s: %w: %s", name, its, said)
	}
	return nil
}

// tail keeps the last lines that a program prints.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	const most = 2 << 10
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

// String is the lines as one.
func (t *tail) String() string {
	return string(bytes.Join(bytes.Fields(t.text), []byte(" ")))
}
