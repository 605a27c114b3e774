package dev.penchant.client;

import com.google.protobuf.ByteString;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Something that can be recommended. Give {@code title}, {@code description} or both: it is understood by its words, and
 * by its images where a model sees.
 *
 * @param itemId 1–128 bytes
 * @param title 0–1,024 bytes of UTF-8, any language
 * @param description 0–16,384 bytes of UTF-8, any language
 * @param categories names to filter by, at most 32, each 1–128 bytes
 * @param price in the shop's own currency, 0–1e12; null: it has none
 * @param unavailable true hides the item from recommendations without forgetting it
 * @param attributes exact-match filters and what a page needs to show the item, at most 32
 * @param images thumbnails: at most 4 files of JPEG, PNG or WebP, each at most 65,536 bytes and 1,024 pixels a side. The
 *     service keeps them and does not send them back
 */
public record Item(
        String itemId,
        String title,
        String description,
        List<String> categories,
        Double price,
        boolean unavailable,
        Map<String, String> attributes,
        List<ByteString> images) {

    /** Copies what could change, and checks that nothing but {@code price} is null. */
    public Item {
        Objects.requireNonNull(itemId, "itemId");
        Objects.requireNonNull(title, "title");
        Objects.requireNonNull(description, "description");
        categories = List.copyOf(categories);
        attributes = Map.copyOf(attributes);
        images = List.copyOf(images);
    }

    /**
     * Returns an item with a title.
     *
     * @param itemId 1–128 bytes
     * @param title 0–1,024 bytes of UTF-8
     * @return the item
     */
    public static Item of(String itemId, String title) {
        return new Item(itemId, title, "", List.of(), null, false, Map.of(), List.of());
    }

    /**
     * Returns a copy with a description.
     *
     * @param description 0–16,384 bytes of UTF-8
     * @return the copy
     */
    public Item withDescription(String description) {
        return new Item(itemId, title, description, categories, price, unavailable, attributes, images);
    }

    /**
     * Returns a copy with names to filter by, in the place of those it had.
     *
     * @param categories at most 32, each 1–128 bytes
     * @return the copy
     */
    public Item withCategories(String... categories) {
        return new Item(itemId, title, description, List.of(categories), price, unavailable, attributes, images);
    }

    /**
     * Returns a copy with a price.
     *
     * @param price in the shop's own currency, 0–1e12
     * @return the copy
     */
    public Item withPrice(double price) {
        return new Item(itemId, title, description, categories, price, unavailable, attributes, images);
    }

    /**
     * Returns a copy that is hidden from recommendations, or not.
     *
     * @param unavailable true hides it
     * @return the copy
     */
    public Item withUnavailable(boolean unavailable) {
        return new Item(itemId, title, description, categories, price, unavailable, attributes, images);
    }

    /**
     * Returns a copy with attributes, in the place of those it had.
     *
     * @param attributes at most 32; keys 1–64 bytes of {@code [a-z0-9_]}, values 0–1,024 bytes
     * @return the copy
     */
    public Item withAttributes(Map<String, String> attributes) {
        return new Item(itemId, title, description, categories, price, unavailable, attributes, images);
    }

    /**
     * Returns a copy with thumbnails, in the place of those it had.
     *
     * @param images at most 4 files of JPEG, PNG or WebP, each at most 65,536 bytes and 1,024 pixels a side
     * @return the copy
     */
    public Item withImages(List<ByteString> images) {
        return new Item(itemId, title, description, categories, price, unavailable, attributes, images);
    }
}
