import dev.penchant.client.Client;
import dev.penchant.client.Event;
import dev.penchant.client.Item;
import dev.penchant.client.ListOptions;
import java.util.List;

public class First {
    public static void main(String[] arguments) {
        try (Client client = Client.builder("127.0.0.1:50551").readYourWrites(true).build()) { // makes no call yet
            client.upsertItems(List.of(Item.of("shoe", "Running shoe").withPrice(89), Item.of("sock", "Wool socks")));
            client.record(Event.of("ada", "view").withItemId("shoe"));
            for (var one : client.recommend("ada", ListOptions.DEFAULTS.withExplain(true))) {
                System.out.println(one.itemId() + " " + one.score() + " " + one.reasons());
            }
        }
    }
}
