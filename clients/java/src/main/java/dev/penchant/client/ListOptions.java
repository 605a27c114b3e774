package dev.penchant.client;

import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What a list should look like: {@code ListOptions.DEFAULTS.withPageSize(5).withExplain(true) }
 *
 * @param pageSize items wanted, 1–100; fewer come when the filter leaves fewer
 * @param categories items in any of these categories, at most 32; empty: all
 * @param attributes items with all of these attribute values, at most 8
 * @param minPrice lowest price, inclusive, 0–1e12; null: none. An item without a price does not match one
 * @param maxPrice highest price, inclusive, 0–1e12; null: none. An item without a price does not match one
 * @param exclude never these item ids, at most 1,000
 * @param includeSeen true allows items that the user has acted on
 * @param includeItems true adds the stored item to every recommendation
 * @param explain true adds its reasons to every recommendation
 * @param profile name of the profile to score with, 0–64 bytes; empty: the service's default. A search scores by meaning
 *     alone
 */
public record ListOptions(
        int pageSize,
        List<String> categories,
        Map<String, String> attributes,
        Double minPrice,
        Double maxPrice,
        List<String> exclude,
        boolean includeSeen,
        boolean includeItems,
        boolean explain,
        String profile) {

    /** Ten items of any kind that the user has not acted on, without details. */
    public static final ListOptions DEFAULTS =
            new ListOptions(10, List.of(), Map.of(), null, null, List.of(), false, false, false, "");

    /**
     * Copies what could change, and checks that nothing but the prices is null, and that {@code pageSize} is not below 0.
     */
    public ListOptions {
        if (pageSize < 0) {
            throw new IllegalArgumentException("pageSize: " + pageSize + " is not within 1–100");
        }
        categories = List.copyOf(categories);
        attributes = Map.copyOf(attributes);
        exclude = List.copyOf(exclude);
        Objects.requireNonNull(profile, "profile");
    }

    /**
     * Returns a copy that wants so many items.
     *
     * @param pageSize 1–100
     * @return the copy
     */
    public ListOptions withPageSize(int pageSize) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy that wants items in any of these categories.
     *
     * @param categories at most 32, each 1–128 bytes
     * @return the copy
     */
    public ListOptions withCategories(String... categories) {
        return new ListOptions(pageSize, List.of(categories), attributes, minPrice, maxPrice, exclude, includeSeen,
                includeItems, explain, profile);
    }

    /**
     * Returns a copy that wants items with all of these attribute values.
     *
     * @param attributes at most 8
     * @return the copy
     */
    public ListOptions withAttributes(Map<String, String> attributes) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy with a lowest price.
     *
     * @param minPrice inclusive, 0–1e12
     * @return the copy
     */
    public ListOptions withMinPrice(double minPrice) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy with a highest price.
     *
     * @param maxPrice inclusive, 0–1e12
     * @return the copy
     */
    public ListOptions withMaxPrice(double maxPrice) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy that never lists these items.
     *
     * @param itemIds at most 1,000
     * @return the copy
     */
    public ListOptions withExclude(List<String> itemIds) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, itemIds, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy that allows items that the user has acted on, or not.
     *
     * @param includeSeen true allows them
     * @return the copy
     */
    public ListOptions withIncludeSeen(boolean includeSeen) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy that adds the stored item to every recommendation, or not.
     *
     * @param includeItems true adds it
     * @return the copy
     */
    public ListOptions withIncludeItems(boolean includeItems) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy that adds its reasons to every recommendation, or not.
     *
     * @param explain true adds them
     * @return the copy
     */
    public ListOptions withExplain(boolean explain) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }

    /**
     * Returns a copy that is scored with a profile.
     *
     * @param profile one of those that the service has, 0–64 bytes
     * @return the copy
     */
    public ListOptions withProfile(String profile) {
        return new ListOptions(pageSize, categories, attributes, minPrice, maxPrice, exclude, includeSeen, includeItems,
                explain, profile);
    }
}
