//! The producers of that Kafka, as a publisher has them; what may never be asked of one is asserted.

use super::{Client, Id, KafkaRef};
use crate::publish::{
    broker::{Ask, Broker, Enqueued, OpenError, Producer},
    exact::{Outcome, Purpose, simulation::spool::DiskRef},
    mailbox::{ProducerId, Reports, Ticket},
    message::Message,
};
use std::sync::Arc;

#[derive(Clone)]
pub(in crate::publish::exact::simulation) struct FakeBroker {
    pub(in crate::publish::exact::simulation) kafka: KafkaRef,
    pub(in crate::publish::exact::simulation) process: u64,
    pub(in crate::publish::exact::simulation) disk: DiskRef,
}

pub(in crate::publish::exact::simulation) struct FakeProducer {
    id: Id,
    kafka: KafkaRef,
}

impl Broker for FakeBroker {
    type Producer = FakeProducer;

    fn open(&self, _: ProducerId, _: Arc<dyn Reports>) -> Result<FakeProducer, OpenError> {
        panic!("exactly-once has no other producers");
    }

    fn open_transactional(
        &self,
        id: ProducerId,
        _: Arc<dyn Reports>,
        purpose: &Purpose,
    ) -> Result<FakeProducer, OpenError> {
        let rival = &self.disk.lock().unwrap().rival;
        assert!(rival.is_none(), "who has stood down fences nobody");
        let id = (self.process, id);
        let client = Client {
            purpose: Some(purpose.clone()),
            ..Client::default()
        };
        self.kafka.lock().unwrap().clients.insert(id, client);
        Ok(FakeProducer {
            id,
            kafka: Arc::clone(&self.kafka),
        })
    }
}

impl FakeProducer {
    fn with<T>(&self, act: impl FnOnce(&mut Client) -> T) -> T {
        let mut kafka = self.kafka.lock().unwrap();
        act(kafka.clients.get_mut(&self.id).expect("it is open"))
    }
}

impl Producer for FakeProducer {
    fn enqueue(&self, message: &Message, ticket: Ticket) -> Enqueued {
        let message = message.clone();
        self.with(|client| {
            assert!(client.open.is_some(), "sent outside of a transaction");
            let is_checkpoint = matches!(ticket, Ticket::Checkpoint(_));
            let all_reported = !is_checkpoint || client.queue.is_empty();
            assert!(
                !is_checkpoint || !client.must_abort,
                "a checkpoint after a record that was not taken"
            );
            assert!(
                all_reported && client.asked.is_empty(),
                "a checkpoint goes when all is reported, and nothing after a question"
            );
            client.queue.push_back((ticket, message));
            Enqueued::Taken
        })
    }

    fn begin(&self) -> Outcome {
        {
            let mut kafka = self.kafka.lock().unwrap();
            if kafka.begins_again > 0 {
                kafka.begins_again -= 1;
                return Outcome::Again;
            }
        }
        self.with(|client| {
            if client.dead {
                return Outcome::Unknown;
            }
            assert!(client.open.is_none(), "one transaction at a time");
            client.open = Some(Vec::new());
            client.must_abort = false;
            Outcome::Done
        })
    }

    fn ask(&self, ask: Ask) {
        self.with(|client| {
            assert!(client.asked.is_empty(), "one question at a time");
            client.asked.push_back(ask);
        });
    }

    fn close(self) {}
}

impl Drop for FakeProducer {
    fn drop(&mut self) {
        if let Ok(mut kafka) = self.kafka.lock()
            && let Some(client) = kafka.clients.get_mut(&self.id)
        {
            client.closing = true;
            client.dead = true;
        }
    }
}
