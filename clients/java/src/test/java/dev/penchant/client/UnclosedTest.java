package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class UnclosedTest {
    /** A program that closes nothing. */
    static final class Forgetful {
        private Forgetful() {}

        public static void main(String[] arguments) {
            Recorder recorder = Client.connect(arguments[0]).recorder();
            for (int number = 0; number < 13; number++) {
                recorder.put(Event.of("ann", "view").withItemId("a"));
            }
            if (arguments[1].equals("flush")) {
                recorder.flush();
            }
        }
    }

    private static String said(FakeService service, String how) throws Exception {
        Process program = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Forgetful.class.getName(),
                        service.target(),
                        how)
                .redirectErrorStream(true)
                .start();
        String said = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, program.waitFor(), said);
        return said;
    }

    @Test
    void aProgramThatEndsWithEventsInUnclosedRecordersSaysSo() throws Exception {
        FakeLedger ledger = new FakeLedger();
        try (FakeService service = new FakeService()) {
            service.events = ledger::connected;
            service.start();
            assertEquals("", said(service, "flush"));
            ledger.gate = new CountDownLatch(1);
            String said = said(service, "leave");
            assertTrue(said.contains("13 events"), said);
            ledger.gate.countDown();
        }
    }
}
