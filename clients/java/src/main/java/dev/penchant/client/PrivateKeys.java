package dev.penchant.client;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Private keys in PEM, of the kinds that other tools write. gRPC reads PKCS #8 only; keys of openssl's older commands (PKCS
 * #1 for RSA, SEC 1 for elliptic curves) are put into its envelope here. Pure.
 */
final class PrivateKeys {
    private static final Pattern BLOCK =
            Pattern.compile("-----BEGIN (RSA |EC |)PRIVATE KEY-----([^-]+)-----END \\1PRIVATE KEY-----");

    private static final int INTEGER = 0x02;
    private static final int OCTETS = 0x04;
    private static final int SEQUENCE = 0x30;
    /** Where SEC 1 names the curve. */
    private static final int PARAMETERS = 0xa0;

    private static final byte[] VERSION = {INTEGER, 1, 0};
    /** rsaEncryption, 1.2.840.113549.1.1.1, without parameters. */
    private static final byte[] RSA = {6, 9, 42, (byte) 134, 72, (byte) 134, (byte) 247, 13, 1, 1, 1, 5, 0};
    /** ecPublicKey, 1.2.840.10045.2.1; the curve follows. */
    private static final byte[] EC = {6, 7, 42, (byte) 134, 72, (byte) 206, 61, 2, 1};

    private PrivateKeys() {}

    /** Returns a key in PKCS #8, again in PEM. Throws IllegalArgumentException, which does not tell the key. */
    static String pkcs8(String pem) {
        Matcher found = BLOCK.matcher(pem);
        if (!found.find()) {
            throw new IllegalArgumentException("key: holds no private key in PEM without a password");
        }
        byte[] key = Base64.getMimeDecoder().decode(found.group(2));
        byte[] envelope = switch (found.group(1)) {
            case "RSA " -> enveloped(key, RSA);
            case "EC " -> enveloped(key, joined(EC, curve(key)));
            default -> key;
        };
        return "-----BEGIN PRIVATE KEY-----\n" + Base64.getMimeEncoder().encodeToString(envelope)
                + "\n-----END PRIVATE KEY-----\n";
    }

    private static byte[] enveloped(byte[] key, byte[] algorithm) {
        return tagged(SEQUENCE, joined(VERSION, tagged(SEQUENCE, algorithm), tagged(OCTETS, key)));
    }

    /** Returns what names the curve in a key in SEC 1: the element behind version and secret. */
    private static byte[] curve(byte[] key) {
        try {
            ByteBuffer inside = content(ByteBuffer.wrap(key), SEQUENCE);
            content(inside, INTEGER);
            content(inside, OCTETS);
            ByteBuffer parameters = content(inside, PARAMETERS);
            byte[] curve = new byte[parameters.remaining()];
            parameters.get(curve);
            return curve;
        } catch (RuntimeException unreadable) { // too short, or another element
            throw new IllegalArgumentException("key: does not name its curve", unreadable);
        }
    }

    /** Takes an element of DER and returns what it holds. */
    private static ByteBuffer content(ByteBuffer der, int tag) {
        if ((der.get() & 0xff) != tag) {
            throw new IllegalArgumentException("another element is due");
        }
        int length = der.get() & 0xff;
        if (length >= 0x80) {
            int bytes = length - 0x80;
            length = 0;
            for (; bytes > 0; bytes--) {
                length = length << 8 | der.get() & 0xff;
            }
        }
        ByteBuffer inside = der.slice(der.position(), length);
        der.position(der.position() + length);
        return inside;
    }

    private static byte[] tagged(int tag, byte[] content) {
        int length = content.length; // keys are far below 64 KiB
        byte[] head;
        if (length < 0x80) {
            head = new byte[] {(byte) tag, (byte) length};
        } else if (length < 0x100) { // DER wants the shortest form
            head = new byte[] {(byte) tag, (byte) 0x81, (byte) length};
        } else {
            head = new byte[] {(byte) tag, (byte) 0x82, (byte) (length >> 8), (byte) length};
        }
        return joined(head, content);
    }

    private static byte[] joined(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
