package dev.penchant.client;

/**
 * A list that follows a user and can be steered by what was shown, and by other options; made by {@link Client#stream}. One
 * thread may read it while others steer.
 */
public final class RecommendationStream extends UpdateStream {
    RecommendationStream(Follower follower) {
        super(follower);
    }

    /**
     * Says that the first so many positions of the update that was read last are on the user's screen: they stay as they
     * are.
     *
     * @param positions 0 to the length of its list
     * @throws IllegalArgumentException when it has no such positions, or none was read yet
     */
    public void shown(int positions) {
        shown(positions, 0);
    }

    /**
     * Says that the first so many positions of an update are on the user's screen: they stay as they are.
     *
     * @param positions 0–100, and not above the length of the list when it is the last one
     * @param sequence number of the update, one of those read; 0: the last one
     * @throws IllegalArgumentException when it has no such positions, or was not read
     */
    public void shown(int positions, long sequence) {
        follower.tell(following -> following.shown(positions, sequence));
    }

    /**
     * Says what the list should look like from now on. Positions that were shown are released.
     *
     * @param options the list's new options, all of them
     */
    public void change(ListOptions options) {
        dev.penchant.v1.ListOptions message = Encode.options(options);
        follower.tell(following -> following.change(message));
    }
}
