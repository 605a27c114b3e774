package penchant

import (
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	defaultTimeout = 5 * time.Second
	defaultRetries = 3
	// A silent connection is probed after keepaliveTime, so that streams notice a peer that vanished.
	keepaliveTime    = 60 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// Option is what [Dial] may be told.
type Option func(*settings) error

type settings struct {
	tls             *tls.Config // nil: plain text
	key             apiKey
	timeout         time.Duration
	retries         int
	readsOwnWrites  bool
	furtherDialOpts []grpc.DialOption
}

// WithTLS encrypts the connection, trusting the system's certificates. Without it, [WithTLSFiles] or [WithTLSConfig], the
// connection is plain text.
func WithTLS() Option { return WithTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12}) }

// WithTLSFiles encrypts the connection with certificates from files.
func WithTLSFiles(files TLSFiles) Option {
	return func(s *settings) (err error) {
		s.tls, err = files.config()
		return err
	}
}

// WithTLSConfig encrypts the connection as config says.
func WithTLSConfig(config *tls.Config) Option {
	return func(s *settings) error {
		s.tls = config
		return nil
	}
}

// WithAPIKey sends the key with every call: printable ASCII without spaces.
func WithAPIKey(key string) Option {
	return func(s *settings) error {
		s.key = apiKey(key)
		return s.key.check()
	}
}

// WithTimeout sets the deadline of unary calls whose context has none, and of the first update of a stream: above 0, by
// default 5 s.
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) error {
		if timeout <= 0 {
			return invalid("timeout", timeout.String()+" is not above 0")
		}
		s.timeout = timeout
		return nil
	}
}

// WithRetries sets how often a call is tried again, within its deadline, when the service is unavailable: 0–4, by
// default 3.
func WithRetries(retries int) Option {
	return func(s *settings) error {
		s.retries = retries
		return nil
	}
}

// WithReadYourWrites makes reads of a user wait for that user's events which this client recorded, as [MinFreshness]
// does. The latest event of at most 10,000 users is remembered, the oldest go.
func WithReadYourWrites() Option {
	return func(s *settings) error {
		s.readsOwnWrites = true
		return nil
	}
}

// WithDialOptions hands further options to gRPC, for example interceptors that trace. They overrule the client's own.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) error {
		s.furtherDialOpts = append(s.furtherDialOpts, options...)
		return nil
	}
}

func (s *settings) dialOptions() ([]grpc.DialOption, error) {
	config, err := serviceConfig(s.retries)
	if err != nil {
		return nil, err
	}
	security := insecure.NewCredentials()
	if s.tls != nil {
		security = credentials.NewTLS(s.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDefaultServiceConfig(config),
		// What DNS may say about retries would take the place of the above, and with it the promise of WithRetries.
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: grpcbackoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 700 * time.Millisecond,
			},
			MinConnectTimeout: 20 * time.Second, // gRPC's own; unset, it would be next to nothing
		}),
	}
	if s.key != "" {
		options = append(options, grpc.WithPerRPCCredentials(s.key))
	}
	return append(options, s.furtherDialOpts...), nil
}

// SendOption is what may be said about sending many events or items over one stream.
type SendOption func(*limits)

// limits is how much is on its way at once, and how long to wait.
type limits struct {
	batch    int
	window   int
	patience time.Duration
	retries  int
}

// WithBatch sets the most events or items in one request: 1–1,000, by default 100. Requests are filled with what is
// there, up to 1 MiB; one that is not full waits only while so many are unanswered as full ones would fill the window.
func WithBatch(count int) SendOption { return func(l *limits) { l.batch = count } }

// WithWindow sets the most events that may be unanswered: at least the batch, by default 1,000. Items have no window
// but four batches.
func WithWindow(count int) SendOption { return func(l *limits) { l.window = count } }

// WithPatience sets the longest time without any answer while one is due, reconnections included: above 0, by default
// 60 s. After that sending gives up.
func WithPatience(patience time.Duration) SendOption {
	return func(l *limits) { l.patience = patience }
}
