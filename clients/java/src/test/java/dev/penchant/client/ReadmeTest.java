package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class ReadmeTest {
    private static final Path TESTS = Path.of("src/test/java");

    private static List<String> examples() throws IOException {
        return Pattern.compile("```java\n(.*?)```", Pattern.DOTALL)
                .matcher(Files.readString(Path.of("README.md")))
                .results()
                .map(found -> found.group(1))
                .toList();
    }

    @Test
    void theFirstExampleIsTheOneThatIsCompiledAndShort() throws IOException {
        String first = examples().get(0);
        assertEquals(Files.readString(TESTS.resolve("First.java")), first);
        long lines = first.lines().filter(line -> !line.isBlank() && !line.startsWith("import")).count();
        assertTrue(lines <= 15, () -> lines + " lines");
    }

    @Test
    void allOtherExamplesAreCompiled() throws IOException {
        String compiled = trimmed(Files.readString(TESTS.resolve("dev/penchant/client/ReadmeExamples.java")));
        List<String> others = examples().subList(1, examples().size());
        assertTrue(others.size() >= 5);
        for (String example : others) {
            assertTrue(compiled.contains(trimmed(example)), () -> "is not in ReadmeExamples.java:\n" + example);
        }
    }

    @Test
    void theServiceConfigIsTheOneThatAllClientsHave() throws IOException {
        Path copy = Path.of("src/main/resources/dev/penchant/client", ServiceConfig.FILE);
        assertEquals(Files.readString(Path.of("../service_config.json")), Files.readString(copy));
    }

    /** Returns the text without what stands before and behind its lines. */
    private static String trimmed(String text) {
        return text.lines().map(String::strip).collect(Collectors.joining("\n"));
    }
}
