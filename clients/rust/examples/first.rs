use penchant::{Client, Event, Item, ListOptions};

#[tokio::main]
async fn main() -> Result<(), penchant::Error> {
    let client = Client::builder("127.0.0.1:50551").read_your_writes(true).build()?; // makes no call yet
    client.upsert_items([Item::new("shoe", "Running shoe"), Item::new("sock", "Wool socks")]).await?;
    client.record(Event::new("ada", "view").item_id("shoe")).await?;
    for one in client.recommend("ada", ListOptions::new().explain()).await?.items {
        println!("{} {:.3} {:?}", one.item_id, one.score, one.reasons);
    }
    Ok(())
}
