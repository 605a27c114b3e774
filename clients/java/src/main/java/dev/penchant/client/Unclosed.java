package dev.penchant.client;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** The recorders that nobody has closed yet: when the program ends with events in them, it is said. */
final class Unclosed {
    private static final Set<Recorder> OPEN = ConcurrentHashMap.newKeySet();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(Unclosed::warn, "penchant-unclosed"));
    }

    private Unclosed() {}

    static void add(Recorder recorder) {
        OPEN.add(recorder);
    }

    static void remove(Recorder recorder) {
        OPEN.remove(recorder);
    }

    private static void warn() {
        int left = OPEN.stream().mapToInt(recorder -> recorder.unanswered().size()).sum();
        if (left > 0) {
            // Not by a logger: loggers have a shutdown hook of their own, and are silent once it has run.
            System.err.println("penchant: the program ends with " + left
                    + " events unanswered, in recorders that were not closed; close them or their client");
        }
    }
}
