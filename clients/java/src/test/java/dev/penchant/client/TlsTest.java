package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.ServerCredentials;
import io.grpc.TlsServerCredentials;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class TlsTest {
    private static final char[] PASSWORD = "password".toCharArray();

    @TempDir
    Path folder;

    /** Certificate and key in PEM. */
    private record Pair(Path cert, Path key) {}

    private static Path pem(Path file, String kind, byte[] der) throws IOException {
        return Files.writeString(
                file,
                "-----BEGIN " + kind + "-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END " + kind
                        + "-----\n");
    }

    /** Makes a certificate of 127.0.0.1 that signs itself. */
    private Pair issue(String name) throws Exception {
        Path store = folder.resolve(name + ".p12");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                        "-genkeypair", "-alias", "one", "-keyalg", "EC", "-groupname", "secp256r1",
                        "-dname", "CN=" + name, "-ext", "san=ip:127.0.0.1", "-ext", "bc:critical=ca:true",
                        "-storetype", "PKCS12", "-keystore", store.toString(),
                        "-storepass", String.valueOf(PASSWORD))
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve(name + ".log").toFile())
                .start();
        assertEquals(0, keytool.waitFor(), () -> "see " + folder);
        KeyStore keys = KeyStore.getInstance(store.toFile(), PASSWORD);
        return new Pair(
                pem(folder.resolve(name + ".pem"), "CERTIFICATE", keys.getCertificate("one").getEncoded()),
                pem(folder.resolve(name + ".key"), "PRIVATE KEY", keys.getKey("one", PASSWORD).getEncoded()));
    }

    private static boolean lets(FakeService service, Tls tls) {
        try (Client client = Client.builder(service.target())
                .tls(tls)
                .apiKey("k1")
                .retries(0)
                .build()) {
            client.recommend("ann");
            assertEquals("Bearer k1", service.keys.get("Recommend"));
            return true;
        } catch (UnavailableException refused) {
            return false;
        }
    }

    @Test
    void tlsAndMutualTlsWithAKey() throws Exception {
        Pair server = issue("server");
        Pair me = issue("me");
        for (boolean mutual : new boolean[] {false, true}) {
            TlsServerCredentials.Builder credentials = TlsServerCredentials.newBuilder()
                    .keyManager(server.cert().toFile(), server.key().toFile());
            if (mutual) {
                credentials.trustManager(me.cert().toFile()).clientAuth(TlsServerCredentials.ClientAuth.REQUIRE);
            }
            ServerCredentials built = credentials.build();
            try (FakeService service = new FakeService(built).start()) {
                Tls trusting = Tls.trusting(server.cert());
                assertFalse(lets(service, Tls.system()));
                assertEquals(!mutual, lets(service, trusting));
                assertEquals(true, lets(service, trusting.identifiedBy(me.cert(), me.key())));
                assertEquals(!mutual, lets(service, trusting.identifiedBy(server.cert(), server.key())));
            }
        }
    }

    @Test
    void filesThatAreNotThereOrHoldNoKeyAreTold() throws Exception {
        Path absent = folder.resolve("absent");
        ClientBuilder builder = Client.builder("host:1");
        assertThrows(UncheckedIOException.class, () -> builder.tls(Tls.trusting(absent)));
        UncheckedIOException error = assertThrows(
                UncheckedIOException.class, () -> builder.tls(Tls.system().identifiedBy(absent, absent)));
        assertEquals(NoSuchFileException.class, error.getCause().getClass());
        Path empty = Files.createFile(folder.resolve("empty"));
        assertThrows(
                IllegalArgumentException.class, () -> builder.tls(Tls.system().identifiedBy(empty, empty)));
        assertThrows(IllegalArgumentException.class, () -> new Tls(null, empty, null));
    }

    @Test
    void aKeyInPkcs1IsPutIntoPkcs8() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        byte[] pkcs8 = generator.generateKeyPair().getPrivate().getEncoded();
        // What PKCS #8 puts around a key of RSA with 2,048 bits is always as long.
        byte[] pkcs1 = Arrays.copyOfRange(pkcs8, 26, pkcs8.length);
        String pem = Files.readString(pem(folder.resolve("rsa.key"), "RSA PRIVATE KEY", pkcs1));
        Path whole = pem(folder.resolve("whole.key"), "PRIVATE KEY", pkcs8);
        assertEquals(Files.readString(whole).replaceAll("\\s", ""), PrivateKeys.pkcs8(pem).replaceAll("\\s", ""));
    }

    @Test
    void aKeyInSec1IsPutIntoPkcs8() throws Exception {
        // Version, a secret, and the curve prime256v1; the public key is left out, as it may be.
        byte[] secret = new byte[32];
        Arrays.fill(secret, (byte) 1);
        byte[] sec1 = HexFormat.of().parseHex(
                "3031020101" + "0420" + HexFormat.of().formatHex(secret) + "a00a06082a8648ce3d030107");
        byte[] pkcs8 = Base64.getMimeDecoder().decode(PrivateKeys.pkcs8(ec(sec1)).replaceAll("-----[^-]+-----", ""));
        ECPrivateKey key =
                (ECPrivateKey) KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
        assertEquals(new BigInteger(secret), key.getS());
        assertEquals(256, key.getParams().getCurve().getField().getFieldSize());
        assertThrows(IllegalArgumentException.class, () -> PrivateKeys.pkcs8(ec(new byte[] {0x30, 0})));
    }

    private static String ec(byte[] der) {
        String kind = "EC PRIVATE KEY";
        return "-----BEGIN " + kind + "-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END " + kind
                + "-----\n";
    }
}
