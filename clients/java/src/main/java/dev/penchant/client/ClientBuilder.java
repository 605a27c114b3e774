package dev.penchant.client;

import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** Says how a {@link Client} reaches the service. */
public final class ClientBuilder {
    private final String target;
    private ChannelCredentials credentials;
    private String apiKey = "";
    private Duration timeout = Duration.ofSeconds(5);
    private int retries = 3;
    private boolean readYourWrites;
    private final List<ClientInterceptor> interceptors = new ArrayList<>();

    ClientBuilder(String target) {
        this.target = Objects.requireNonNull(target, "target");
    }

    /**
     * Speaks TLS. Without it the connection is plain text.
     *
     * @param tls whom to trust, and who oneself is; its files are read now
     * @return this
     * @throws UncheckedIOException when a file cannot be read
     * @throws IllegalArgumentException when a file holds no key
     */
    public ClientBuilder tls(Tls tls) {
        try {
            return credentials(tls.credentials());
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    /**
     * Takes gRPC's own credentials, for what {@link #tls} does not cover.
     *
     * @param credentials the credentials
     * @return this
     */
    public ClientBuilder credentials(ChannelCredentials credentials) {
        this.credentials = Objects.requireNonNull(credentials, "credentials");
        return this;
    }

    /**
     * Sends a key with every call.
     *
     * @param apiKey printable ASCII without spaces; empty: none
     * @return this
     * @throws IllegalArgumentException when it cannot be a key; the message does not tell it
     */
    public ClientBuilder apiKey(String apiKey) {
        if (!apiKey.chars().allMatch(one -> one > ' ' && one < 0x7f)) {
            throw new IllegalArgumentException(
                    "apiKey: must be printable ASCII without spaces; was a line break read with it?");
        }
        this.apiKey = apiKey;
        return this;
    }

    /**
     * Sets the deadline of every unary call, retries included, and of the first update of a stream.
     *
     * @param timeout above 0; by default 5 s
     * @return this
     */
    public ClientBuilder timeout(Duration timeout) {
        if (timeout.isNegative() || timeout.isZero()) {
            throw new IllegalArgumentException("timeout: " + timeout + " is not above 0");
        }
        this.timeout = timeout;
        return this;
    }

    /**
     * Sets how often a call is tried again, within its deadline, when the service is unavailable.
     *
     * @param retries 0–4; by default 3
     * @return this
     */
    public ClientBuilder retries(int retries) {
        if (retries < 0 || retries > ServiceConfig.MAX_RETRIES) {
            throw new IllegalArgumentException("retries: " + retries + " is not within 0–" + ServiceConfig.MAX_RETRIES);
        }
        this.retries = retries;
        return this;
    }

    /**
     * Makes reads of a user wait for that user's last event which this client recorded, without a token. The last one of at
     * most 10,000 users is remembered, the oldest go.
     *
     * @param readYourWrites by default false
     * @return this
     */
    public ClientBuilder readYourWrites(boolean readYourWrites) {
        this.readYourWrites = readYourWrites;
        return this;
    }

    /**
     * Adds an interceptor of gRPC, for traces and metrics.
     *
     * @param interceptor sees every call
     * @return this
     */
    public ClientBuilder intercept(ClientInterceptor interceptor) {
        interceptors.add(Objects.requireNonNull(interceptor, "interceptor"));
        return this;
    }

    /**
     * Makes the client; it makes no call yet.
     *
     * @return the client; close it when done
     */
    public Client build() {
        return new Client(
                new Connection(target, credentials, apiKey, timeout, retries, interceptors),
                new LastWrites(readYourWrites));
    }
}
