package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnknownFieldSet;
import dev.penchant.v1.Reason;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class PureTest {
    private static final Event EVENT = Event.of("ann", "view")
            .withItemId("shoe")
            .withText("鞋")
            .withValue(2.5)
            .withOccurredAt(Instant.ofEpochMilli(1_700_000_000_123L))
            .withEventId("e1")
            .withSurface("home")
            .withAttributionToken("t");

    @Test
    void delaysDoubleFrom50MillisecondsTo5SecondsAndKeepAHalf() {
        for (double draw : new double[] {0, 0.999}) {
            Backoff backoff = new Backoff(() -> draw);
            for (int number = 0; number < 100; number++) {
                double longest = Math.min(5_000, 50 * Math.pow(2, number));
                assertEquals(longest * (1 - draw / 2), TimeUnit.NANOSECONDS.toMicros(backoff.next()) / 1e3, 0.01);
            }
            assertEquals(100, backoff.failures());
            backoff.succeeded();
            assertTrue(TimeUnit.NANOSECONDS.toMillis(backoff.next()) <= 50);
        }
    }

    @Test
    void theServiceConfigTriesAsOftenAsItIsTold() {
        Map<?, ?> method = (Map<?, ?>) ((List<?>) ServiceConfig.withRetries(2).get("methodConfig")).get(0);
        assertEquals(3.0, ((Map<?, ?>) method.get("retryPolicy")).get("maxAttempts"));
        assertFalse(ServiceConfig.withRetries(0).containsKey("methodConfig"));
        assertThrows(IllegalArgumentException.class, () -> ServiceConfig.withRetries(5));
        assertThrows(IllegalArgumentException.class, () -> ServiceConfig.withRetries(-1));
    }

    @Test
    void theOldestUsersWritesAreForgotten() {
        LastWrites writes = new LastWrites(true);
        for (int number = 0; number < LastWrites.MOST_USERS; number++) {
            writes.remember("u" + number, "f" + number);
        }
        writes.remember("u0", "again");
        writes.remember("new", "f");
        assertEquals("again", writes.reading("u0", ReadOptions.DEFAULTS).minFreshness());
        assertEquals("", writes.reading("u1", ReadOptions.DEFAULTS).minFreshness());
        assertEquals("f2", writes.reading("u2", ReadOptions.DEFAULTS).minFreshness());
        assertEquals("mine", writes.reading("u2", ReadOptions.after("mine")).minFreshness());
    }

    @Test
    void anEventComesBackAsItWentIn() {
        assertEquals(EVENT, Decode.event(Encode.event(EVENT)));
        Event bare = Event.of("ann", "view");
        Event sent = Decode.event(Encode.event(bare));
        assertFalse(sent.eventId().isEmpty());
        assertEquals(bare.withEventId(sent.eventId()), sent);
    }

    @Test
    void anEventThatNoRequestHasRoomForIsRefused() {
        Event huge = EVENT.withText("x".repeat(Outbox.REQUEST_BYTES));
        assertEquals("event", assertThrows(InvalidArgumentException.class, () -> Encode.event(huge)).field());
    }

    @Test
    void anItemComesBackAsItWentIn() {
        Item item = Item.of("shoe", "Shoe")
                .withDescription("for running")
                .withCategories("sport", "shoes")
                .withPrice(89)
                .withUnavailable(true)
                .withAttributes(Map.of("brand", "north"))
                .withImages(List.of(ByteString.copyFromUtf8("png")));
        assertEquals(item, Decode.item(Encode.item(item)));
    }

    @Test
    void optionsAreSentAsTheyAre() {
        dev.penchant.v1.ListOptions message = Encode.options(ListOptions.DEFAULTS
                .withPageSize(3)
                .withCategories("fruit")
                .withAttributes(Map.of("brand", "north"))
                .withMinPrice(1)
                .withMaxPrice(2)
                .withExclude(List.of("a"))
                .withIncludeSeen(true)
                .withIncludeItems(true)
                .withExplain(true)
                .withProfile("calm"));
        dev.penchant.v1.ListOptions.Builder wanted = dev.penchant.v1.ListOptions.newBuilder()
                .setPageSize(3)
                .setIncludeItems(true)
                .setExplain(true)
                .setProfile("calm");
        wanted.getFilterBuilder()
                .addCategories("fruit")
                .putAttributes("brand", "north")
                .setMinPrice(1)
                .setMaxPrice(2)
                .addExcludeItemIds("a")
                .setIncludeSeen(true);
        assertEquals(wanted.build(), message);
        assertFalse(Encode.options(ListOptions.DEFAULTS).getFilter().hasMinPrice());
    }

    @Test
    void aRecordForKafkaHasTheUserAsKeyAndAnId() throws Exception {
        KafkaRecord record = KafkaRecord.of(Event.of("añn", "view").withItemId("shoe"));
        assertArrayEquals(new byte[] {'a', (byte) 0xc3, (byte) 0xb1, 'n'}, record.key());
        dev.penchant.v1.Event value = dev.penchant.v1.Event.parseFrom(record.value());
        assertEquals("shoe", value.getItemId());
        assertFalse(value.getEventId().isEmpty());
        var refused = assertThrows(InvalidArgumentException.class, () -> KafkaRecord.of(Event.of("", "view")));
        assertEquals("event.user_id", refused.field());
    }

    @Test
    void aReasonOfAKindToComeIsUnknownAndFieldsToComeArePassedOver() throws Exception {
        UnknownFieldSet later = UnknownFieldSet.newBuilder()
                .addField(99, UnknownFieldSet.Field.newBuilder().addVarint(1).build())
                .build();
        dev.penchant.v1.Recommendation.Builder message = dev.penchant.v1.Recommendation.newBuilder().setItemId("a");
        message.getExplanationBuilder().addReasons(Reason.newBuilder().setKindValue(77).setContribution(0.5));
        message.setUnknownFields(later);
        Recommendation found =
                Decode.recommendation(dev.penchant.v1.Recommendation.parseFrom(message.build().toByteArray()));
        assertEquals(ReasonKind.UNKNOWN, found.reasons().get(0).kind());
        assertEquals(0.5, found.reasons().get(0).contribution());
    }

    @Test
    void everyCodeHasItsKind() {
        Map<Status.Code, Class<?>> kinds = Map.ofEntries(
                Map.entry(Status.Code.INVALID_ARGUMENT, InvalidArgumentException.class),
                Map.entry(Status.Code.OUT_OF_RANGE, InvalidArgumentException.class),
                Map.entry(Status.Code.NOT_FOUND, NotFoundException.class),
                Map.entry(Status.Code.FAILED_PRECONDITION, FailedPreconditionException.class),
                Map.entry(Status.Code.ALREADY_EXISTS, FailedPreconditionException.class),
                Map.entry(Status.Code.ABORTED, FailedPreconditionException.class),
                Map.entry(Status.Code.UNAUTHENTICATED, UnauthenticatedException.class),
                Map.entry(Status.Code.PERMISSION_DENIED, PermissionDeniedException.class),
                Map.entry(Status.Code.UNIMPLEMENTED, UnimplementedException.class),
                Map.entry(Status.Code.RESOURCE_EXHAUSTED, OverloadedException.class),
                Map.entry(Status.Code.UNAVAILABLE, UnavailableException.class),
                Map.entry(Status.Code.DEADLINE_EXCEEDED, DeadlineExceededException.class),
                Map.entry(Status.Code.CANCELLED, CancelledException.class));
        for (Status.Code code : Status.Code.values()) {
            if (code == Status.Code.OK) {
                continue;
            }
            PenchantException error = Errors.of(FakeService.failure(code, "A_REASON", "options.page_size"));
            assertInstanceOf(kinds.getOrDefault(code, InternalException.class), error);
            assertEquals(code, error.code());
            assertEquals("A_REASON", error.reason());
            assertEquals("options.page_size", error.field());
            assertEquals("it failed", error.getMessage());
            assertEquals(Optional.of(Duration.ofMillis(1500)), error.retryAfter());
        }
    }

    @Test
    void detailsThatContradictTheCallOrAreUnknownAreLetBe() {
        Metadata trailers = new Metadata();
        trailers.put(
                ProtoUtils.keyForProto(com.google.rpc.Status.getDefaultInstance()),
                com.google.rpc.Status.newBuilder().setCode(5).build());
        assertInstanceOf(
                UnavailableException.class, Errors.of(Status.UNAVAILABLE.asRuntimeException(trailers)));
        com.google.rpc.Status later = com.google.rpc.Status.newBuilder()
                .setCode(5)
                .addDetails(Any.newBuilder().setTypeUrl("type.googleapis.com/penchant.v9.Mood"))
                .addDetails(Any.newBuilder()
                        .setTypeUrl("type.googleapis.com/google.rpc.ErrorInfo")
                        .setValue(ByteString.copyFromUtf8("not a message")))
                .build();
        PenchantException error = Errors.of(later, null);
        assertInstanceOf(NotFoundException.class, error);
        assertEquals("", error.reason());
        assertEquals(Optional.empty(), error.retryAfter());
    }

    @Test
    void sizesOutsideTheirRangesAreRefused() {
        SendOptions options = SendOptions.DEFAULTS;
        assertThrows(IllegalArgumentException.class, () -> options.withBatch(0));
        assertThrows(IllegalArgumentException.class, () -> options.withBatch(1_001));
        assertThrows(IllegalArgumentException.class, () -> options.withWindow(99));
        assertThrows(IllegalArgumentException.class, () -> options.withPatience(Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> Client.builder("host:1").timeout(Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> Client.builder("host:1").retries(5));
        String told = assertThrows(IllegalArgumentException.class, () -> Client.builder("host:1").apiKey("s3cret\n"))
                .getMessage();
        assertFalse(told.contains("s3cret"));
    }
}
