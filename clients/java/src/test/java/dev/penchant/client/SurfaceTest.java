package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SurfaceTest {
    private static final Set<String> INTENDED = Set.of(
            "Client", "ClientBuilder", "Tls", "Stubs", "KafkaRecord",
            "Event", "Item", "ListOptions", "ReadOptions", "SendOptions",
            "Recorder", "Recorded", "Acknowledged", "UpsertResult", "Refused", "DeleteResult",
            "UpdateStream", "RecommendationStream", "Update", "Trigger",
            "Recommendations", "Recommendation", "Reason", "ReasonKind", "Freshness",
            "Interests", "Interest", "Evidence",
            "PenchantException", "InvalidArgumentException", "NotFoundException", "FailedPreconditionException",
            "UnauthenticatedException", "PermissionDeniedException", "UnimplementedException", "OverloadedException",
            "UnavailableException", "DeadlineExceededException", "CancelledException", "InternalException",
            "UnansweredException");

    @Test
    void thePublicNamesAreTheIntendedOnes() throws Exception {
        Set<String> found = new TreeSet<>();
        Path classes = Path.of(Client.class.getResource("Client.class").toURI()).getParent();
        try (Stream<Path> files = Files.list(classes)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String name = file.getFileName().toString();
                if (!name.endsWith(".class")) {
                    continue;
                }
                Class<?> one = Class.forName("dev.penchant.client." + name.replace(".class", ""));
                if (Modifier.isPublic(one.getModifiers())) {
                    found.add(one.getSimpleName());
                }
            }
        }
        assertEquals(new TreeSet<>(INTENDED), found);
    }
}
