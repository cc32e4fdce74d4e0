package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	const text = "hunter2"
	type holder struct {
		Exported   Secret
		unexported Secret
	}
	secret := NewSecret(text)
	inside := holder{Exported: secret, unexported: secret}
	require.Equal(t, text, inside.unexported.Reveal())

	for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "T", "p", "b", "o", "c", "U", "e", "g", "t", "20s", "-5v", "# x"} {
		for _, value := range []any{secret, &secret, inside, &inside, []Secret{secret}, map[string]Secret{"k": secret}, []holder{inside}} {
			printed := fmt.Sprintf("%"+verb, value)
			require.NotContains(t, printed, text, "%%%s of %T", verb, value)
			require.NotContains(t, printed, "68756e74657232", "%%%s of %T", verb, value)
		}
	}
	require.Equal(t, "[redacted]", fmt.Sprint(secret))
	require.Equal(t, "[redacted]", secret.String())
	require.Empty(t, fmt.Sprint(Secret{}))
	require.NotContains(t, fmt.Errorf("wrapped %v %w", secret, fmt.Errorf("%v", inside)).Error(), text)

	encoded, err := json.Marshal(map[string]any{"secret": secret, "pointer": &secret, "holder": inside, "unset": Secret{}})
	require.NoError(t, err)
	require.JSONEq(t, `{"secret":"[redacted]","pointer":"[redacted]","holder":{"Exported":"[redacted]"},"unset":""}`, string(encoded))

	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(handler).Info("started", slog.Any("secret", secret), slog.Any("holder", inside), slog.Any("pointer", &secret))
	}
	require.Contains(t, logged.String(), "secret=[redacted]")
	require.NotContains(t, logged.String(), text)
}

func TestSecretReadsText(t *testing.T) {
	t.Parallel()
	var secret Secret
	require.NoError(t, secret.UnmarshalText([]byte("x")))
	require.Equal(t, NewSecret("x"), secret)
	require.NoError(t, secret.UnmarshalText(nil))
	require.Equal(t, Secret{}, secret)
	require.Empty(t, secret.Reveal())
}
