package dev.penchant.client;

import io.grpc.ChannelCredentials;
import io.grpc.TlsChannelCredentials;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * TLS with certificates from files in PEM, which are read when the client is built.
 *
 * @param ca certificates to trust; null: those that Java trusts
 * @param cert own certificate chain, for a service that asks for one; null: none
 * @param key key of the own certificate, without a password: PKCS #8, PKCS #1, or SEC 1; null as {@code cert} is
 */
public record Tls(Path ca, Path cert, Path key) {
    /** Checks that certificate and key come together. */
    public Tls {
        if ((cert == null) != (key == null)) {
            throw new IllegalArgumentException("cert and key belong together: give both or none");
        }
    }

    /**
     * Returns TLS that trusts what Java trusts.
     *
     * @return it
     */
    public static Tls system() {
        return new Tls(null, null, null);
    }

    /**
     * Returns TLS that trusts the certificates of a file.
     *
     * @param ca the file
     * @return it
     */
    public static Tls trusting(Path ca) {
        return new Tls(ca, null, null);
    }

    /**
     * Returns a copy that also shows a certificate of its own (mutual TLS).
     *
     * @param cert file of the certificate chain
     * @param key file of its key, without a password
     * @return the copy
     */
    public Tls identifiedBy(Path cert, Path key) {
        return new Tls(ca, cert, key);
    }

    /** Reads the files. */
    ChannelCredentials credentials() throws IOException {
        TlsChannelCredentials.Builder credentials = TlsChannelCredentials.newBuilder();
        if (ca != null) {
            credentials.trustManager(ca.toFile());
        }
        if (cert != null) {
            String readable = PrivateKeys.pkcs8(Files.readString(key));
            try (InputStream chain = Files.newInputStream(cert)) {
                credentials.keyManager(chain, new ByteArrayInputStream(readable.getBytes(StandardCharsets.US_ASCII)));
            }
        }
        return credentials.build();
    }
}
