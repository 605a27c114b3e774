package penchant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"google.golang.org/grpc/credentials"
)

// TLSFiles names the files, in PEM, of [WithTLSFiles]; they are read by [Dial].
type TLSFiles struct {
	// CA holds certificates to trust; empty: the system's.
	CA string
	// Cert holds the client's own certificate chain, for a service that asks for one; with Key.
	Cert string
	// Key holds the key of the client's own certificate.
	Key string
}

func (f TLSFiles) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if (f.Cert == "") != (f.Key == "") {
		return nil, invalid("tls", "cert and key belong together: give both or none")
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("penchant: the certificates to trust: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, invalid("tls", "no certificate in "+f.CA)
		}
	}
	if f.Cert != "" {
		own, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("penchant: the client's own certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// apiKey goes with every call, on the generated stubs too.
type apiKey string

var _ credentials.PerRPCCredentials = apiKey("")

// check does not tell the key: errors end up in logs.
func (k apiKey) check() error {
	for _, letter := range []byte(k) {
		if letter <= ' ' || letter > '~' {
			return invalid("api_key", "must be printable ASCII without spaces; was a line break read with it?")
		}
	}
	return nil
}

// GetRequestMetadata returns the header.
func (k apiKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(k)}, nil
}

// RequireTransportSecurity is false: a service beside the client, or behind a proxy that ends TLS, is reached in plain
// text.
func (k apiKey) RequireTransportSecurity() bool { return false }
