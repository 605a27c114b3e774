package dev.penchant.client;

import java.time.Duration;

/**
 * How fresh a reply is.
 *
 * @param appliedThrough every write whose token is at or before this one is in the reply; comparable by the service
 *     only
 * @param age how long ago that last write was applied, not negative
 */
public record Freshness(String appliedThrough, Duration age) {}
