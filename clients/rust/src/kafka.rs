//! What a producer of Kafka writes.

use prost::Message;

use crate::encode;
use crate::error::Error;
use crate::model::Event;

/// An event as a record of the topic `penchant.events`. The client itself knows nothing of Kafka: any producer sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KafkaRecord {
    /// The user id in UTF-8: it decides the partition, by Kafka's default partitioner, murmur2.
    pub key: Vec<u8>,
    /// A `penchant.v1.Event` in protobuf.
    pub value: Vec<u8>,
    /// The event's id, made here when the event had none. It is in the value: send the same record again, not another.
    pub event_id: String,
}

/// Returns the record of an event, with an id in any case, so that one that is written twice counts once. Fails where the
/// event has no user, who is the key, or is larger than 1 MiB, which no request of the service's own has room for.
///
/// ```
/// # use penchant::{Event, kafka_record};
/// let record = kafka_record(Event::new("ada", "view").item_id("shoe"))?;
/// assert_eq!(record.key, b"ada");
/// # Ok::<(), penchant::Error>(())
/// ```
pub fn kafka_record(event: Event) -> Result<KafkaRecord, Error> {
    if event.user_id.is_empty() {
        return Err(Error::invalid("event.user_id", "is empty, and it is the key"));
    }
    let message = encode::event(event)?;
    Ok(KafkaRecord {
        key: message.user_id.clone().into_bytes(),
        value: message.encode_to_vec(),
        event_id: message.event_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::penchant::v1 as pb;

    #[test]
    fn a_record_is_keyed_by_the_user_and_holds_the_event_with_an_id() {
        let record = kafka_record(Event::new("mei 美", "search").text("很甜 🍌").value(2.0)).unwrap();
        assert_eq!(record.key, "mei 美".as_bytes());
        let found = pb::Event::decode(record.value.as_slice()).unwrap();
        assert_eq!(found.event_id, record.event_id);
        assert_eq!(found.event_id.len(), 32);
        assert_eq!((found.user_id.as_str(), found.r#type.as_str()), ("mei 美", "search"));
        assert_eq!((found.text.as_str(), found.value), ("很甜 🍌", Some(2.0)));
    }

    #[test]
    fn an_id_of_the_callers_own_stays() {
        let event = Event::new("ada", "view").item_id("shoe").event_id("e1");
        let record = kafka_record(event.clone()).unwrap();
        assert_eq!(record.event_id, "e1");
        assert_eq!(record, kafka_record(event).unwrap());
    }

    #[test]
    fn an_event_that_no_consumer_takes_is_no_record() {
        assert_eq!(kafka_record(Event::new("", "view")).unwrap_err().field(), "event.user_id");
        let huge = Event::new("ada", "review").text("x".repeat(1 << 20));
        assert_eq!(kafka_record(huge).unwrap_err().field(), "event");
    }
}
