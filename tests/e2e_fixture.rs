//! The fixture itself: a broker that survives being killed and frozen, and is read back with Kafka's own client.

use support::{kafka::Broker, reader, topics::Topics};

#[test]
fn topics_outlive_a_killed_broker() {
    let broker = Broker::started();
    let topics = Topics::create(&broker, 3);
    broker.kill();
    broker.start();
    broker.freeze();
    broker.thaw();
    broker.wait_until_up();
    assert!(reader::read(&broker.bootstrap(), &topics.names()).is_empty());
}
