package penchant

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	penchantv1 "penchant.dev/go/penchant/v1"
)

// authority signs certificates and leaves them in files.
type authority struct {
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{folder: t.TempDir()}
	a.cert, a.key = a.sign(t, "ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.folder, name) }

func (a *authority) sign(t *testing.T, name string, wanted *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wanted.SerialNumber = big.NewInt(time.Now().UnixNano())
	wanted.Subject = pkix.Name{CommonName: name}
	wanted.NotBefore, wanted.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = wanted, key
	}
	der, err := x509.CreateCertificate(rand.Reader, wanted, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(a.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed, key
}

func TestTLSAndMutualTLS(t *testing.T) {
	ca := newAuthority(t)
	ca.sign(t, "server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	ca.sign(t, "me", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	own, err := tls.LoadX509KeyPair(ca.path("server.pem"), ca.path("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(ca.cert)
	for _, mutual := range []bool{false, true} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: trusted}
		if mutual {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
		serveOn(t, &fake{recommend: func(
			context.Context, *penchantv1.RecommendRequest,
		) (*penchantv1.RecommendResponse, error) {
			return &penchantv1.RecommendResponse{}, nil
		}}, listener, grpc.Creds(credentials.NewTLS(config)))
		files := TLSFiles{CA: ca.path("ca.pem")}
		withOwn := TLSFiles{CA: files.CA, Cert: ca.path("me.pem"), Key: ca.path("me.key")}
		for name, one := range map[string]struct {
			option Option
			let    bool
		}{
			"the system's":    {WithTLS(), false},
			"from a file":     {WithTLSFiles(files), !mutual},
			"with one's own":  {WithTLSFiles(withOwn), true},
			"of the caller's": {WithTLSConfig(&tls.Config{RootCAs: trusted}), !mutual},
		} {
			client := dialed(t, listener.Addr().String(), one.option, WithRetries(0), WithAPIKey("k1"))
			_, err := client.Recommend(t.Context(), "ann", ListOptions{})
			if one.let && err != nil || !one.let && !errors.Is(err, ErrUnavailable) {
				t.Fatalf("mutual %v, %s: %v", mutual, name, err)
			}
		}
	}
}

func TestFilesWithoutCertificatesAreRefused(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial("host:1", WithTLSFiles(TLSFiles{CA: empty})); !errors.Is(err, ErrInvalidArgument) {
		t.Fatal(err)
	}
	for _, files := range []TLSFiles{{CA: "absent.pem"}, {Cert: "absent.pem", Key: "absent.key"}} {
		if _, err := Dial("host:1", WithTLSFiles(files)); !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
