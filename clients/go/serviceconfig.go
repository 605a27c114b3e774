package penchant

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// maxRetries: gRPC allows five attempts.
const maxRetries = 4

// sharedServiceConfig is a copy of clients/service_config.json, which all clients have in common.
//
//go:embed service_config.json
var sharedServiceConfig []byte

// serviceConfig returns gRPC's service config that tries every unary call again up to so many times.
func serviceConfig(retries int) (string, error) {
	if retries < 0 || retries > maxRetries {
		return "", invalid("retries", fmt.Sprintf("%d is not within 0–%d", retries, maxRetries))
	}
	var config struct {
		LoadBalancing json.RawMessage `json:"loadBalancingConfig"`
		Methods       []struct {
			Names  json.RawMessage `json:"name"`
			Policy map[string]any  `json:"retryPolicy"`
		} `json:"methodConfig,omitempty"`
	}
	if err := json.Unmarshal(sharedServiceConfig, &config); err != nil {
		return "", err
	}
	if retries == 0 {
		config.Methods = nil // gRPC knows no policy of a single attempt
	}
	for _, method := range config.Methods {
		method.Policy["maxAttempts"] = retries + 1
	}
	text, err := json.Marshal(config)
	return string(text), err
}
