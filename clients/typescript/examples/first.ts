import { Client } from "penchant";

const client = new Client("127.0.0.1:50551");
await client.upsertItems([
  { itemId: "shoe-1", title: "Trail running shoe", price: 89 },
  { itemId: "sock-1", title: "Merino socks", price: 12 },
]);
const view = await client.record({ userId: "ada", type: "view", itemId: "shoe-1" });
// minFreshness: the list knows the event that was just recorded.
const list = await client.recommend("ada", { minFreshness: view.freshnessToken, maxPrice: 50, explain: true });
for (const { itemId, score, reasons } of list.recommendations) console.log(itemId, score, reasons);
await client.close();
