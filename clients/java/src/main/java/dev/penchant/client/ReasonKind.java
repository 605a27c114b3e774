package dev.penchant.client;

/** What kind of evidence a reason is. */
public enum ReasonKind {
    /** A kind that this client is too old to know. */
    UNKNOWN,
    /** The item's words are close to the event's item or words. */
    CONTENT,
    /** People who acted on the event's item also acted on this one. */
    TOGETHER,
    /** The item is popular now. */
    POPULARITY,
    /** The item is close to something the user disliked or hid. */
    DISLIKED,
    /** A sequence model expects the item after everything the user liked of late. */
    LEARNED
}
