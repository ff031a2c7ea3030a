//! A Kafka with moods, for everything that is simulated: it refuses, loses reports, forgets producers, and comes back. What it took
//! stays, in order.

use crate::{
    publish::{
        broker::{Broker, Enqueued, OpenError, Producer},
        classify::{Class, Code},
        mailbox::{Finding, Heard, Mail, ProducerId, Report, Reports, Ticket},
        message::Message,
        plan::Tick,
    },
    spool::Seq,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use support::dice::Dice;

pub(crate) type KafkaRef = Arc<Mutex<Kafka>>;

/// (topic, key): a partition holds one key here, so that order per partition is order per key.
pub(crate) type Place = (String, Vec<u8>);

/// A record that has this in its value is refused, and so is every batch that holds it.
pub(crate) const POISON: &[u8] = b"poisonous";

const TOPIC_GONE: [i32; 3] = [3, 29, -188];

const ODD: i32 = 77_777;

/// A message, and the record that it was made of.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) ticket: Ticket,
    pub(crate) message: Message,
}

impl Item {
    fn is_poison(&self) -> bool {
        let mut windows = self.message.payload.windows(POISON.len());
        windows.any(|window| window == POISON)
    }
}

/// Those that are most easily mistaken for something else.
const NOTABLE: [i32; 8] = [-192, -195, -148, -150, 7, 19, 45, ODD];

/// Any code, known or not, that says nothing about the topic or a record.
fn bad_luck(dice: &mut Dice) -> i32 {
    if dice.below(2) == 0 {
        return NOTABLE[dice.below(8) as usize];
    }
    loop {
        let code = i32::try_from(dice.below(350)).unwrap() - 210;
        if matches!(Code(code).class(), Class::Retriable | Class::Fatal) {
            return code;
        }
    }
}

#[derive(Debug, Default)]
struct Held {
    queues: BTreeMap<Place, Vec<Item>>,
    /// Failed; takes nothing more to the broker.
    dead: bool,
    /// Purged by the publisher.
    closing: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Kafka {
    pub(crate) now: Tick,
    /// Topics that are unknown, or that we may not write to.
    pub(crate) gone: BTreeSet<String>,
    /// Topics that have too few replicas in sync: what is sent stays where it is, and nobody says so.
    pub(crate) lame: BTreeSet<String>,
    /// Topics that refuse everything, before others get anywhere, with a code that nobody knows.
    pub(crate) odd: BTreeSet<String>,
    /// No broker in reach: nothing gets anywhere, and nobody says so.
    pub(crate) down: bool,
    /// No mischief any more.
    pub(crate) calm: bool,
    /// One batch in so many goes wrong.
    rough: u64,
    producers: BTreeMap<ProducerId, Held>,
    log: BTreeMap<Place, Vec<Item>>,
    acked: BTreeSet<Seq>,
    mail: Vec<Report>,
    closed: Vec<ProducerId>,
    fatal: Vec<(ProducerId, Code)>,
    heard: Vec<Heard>,
}

impl Kafka {
    pub(crate) fn new(dice: &mut Dice) -> KafkaRef {
        Arc::new(Mutex::new(Self {
            now: Tick::ZERO,
            gone: BTreeSet::new(),
            lame: BTreeSet::new(),
            odd: BTreeSet::new(),
            down: false,
            calm: false,
            rough: 3 + dice.below(60),
            producers: BTreeMap::new(),
            log: BTreeMap::new(),
            acked: BTreeSet::new(),
            mail: Vec::new(),
            closed: Vec::new(),
            fatal: Vec::new(),
            heard: Vec::new(),
        }))
    }

    /// What was taken, in order.
    pub(crate) fn log(&self) -> &BTreeMap<Place, Vec<Item>> {
        &self.log
    }

    /// Whether anybody was ever told that this record was taken.
    pub(crate) fn has_acked(&self, seq: Seq) -> bool {
        self.acked.contains(&seq)
    }

    /// One producer gets somewhere, or not.
    pub(crate) fn acts(&mut self, dice: &mut Dice) {
        let ids: Vec<_> = self.producers.keys().copied().collect();
        let Some(&id) = ids.get(dice.below(ids.len().max(1) as u64) as usize) else {
            return;
        };
        if self.producers[&id].closing {
            self.finish(id, dice);
            return;
        }
        let held = self.producers.get_mut(&id).unwrap();
        let places = held
            .queues
            .keys()
            .filter(|(topic, _)| !self.lame.contains(topic));
        let places: Vec<_> = places.cloned().collect();
        if held.dead || places.is_empty() || self.down {
            return;
        }
        let any = &places[dice.below(places.len() as u64) as usize];
        let place = places.iter().find(|(topic, _)| self.odd.contains(topic));
        let place = place.unwrap_or(any).clone();
        let most = 1 + dice.below(5) as usize;
        let queue = held.queues.get_mut(&place).unwrap();
        let batch: Vec<Item> = queue.drain(..most.min(queue.len())).collect();
        if queue.is_empty() {
            held.queues.remove(&place);
        }
        self.handle(id, &place, batch, dice);
    }

    fn handle(&mut self, id: ProducerId, place: &Place, batch: Vec<Item>, dice: &mut Dice) {
        let rough = !self.calm && dice.below(self.rough) == 0;
        let poison = batch.iter().any(Item::is_poison);
        let gone = self.gone.contains(&place.0);
        let code = if gone {
            Some(TOPIC_GONE[dice.below(3) as usize])
        } else if poison {
            Some(10)
        } else if self.odd.contains(&place.0) {
            Some(ODD)
        } else if rough {
            Some(bad_luck(dice))
        } else {
            None
        };
        let taken = code.is_none() || (rough && !poison && dice.below(2) == 0);
        if taken && !gone {
            self.append(place, &batch);
        }
        let tickets = batch.iter().map(|item| item.ticket);
        if let Some(code) = code {
            self.producers.get_mut(&id).unwrap().dead = true;
            // Not every report comes; what tells of the failure may be the client itself.
            let mut tickets = tickets;
            let first = tickets.next();
            if !self.calm && dice.below(5) == 0 {
                self.fatal.push((id, Code(-150)));
            } else if let Some(first) = first {
                self.post(id, first, Err(Code(code)));
            }
            for ticket in tickets {
                if dice.below(4) != 0 {
                    self.post(id, ticket, Err(Code(code)));
                }
            }
        } else {
            for ticket in tickets {
                self.post(id, ticket, Ok(()));
            }
        }
    }

    fn append(&mut self, place: &Place, batch: &[Item]) {
        let log = self.log.entry(place.clone()).or_default();
        log.extend_from_slice(batch);
    }

    fn post(&mut self, producer: ProducerId, ticket: Ticket, result: Result<(), Code>) {
        if result.is_ok() {
            self.acked.insert(ticket.seq());
        }
        self.mail.push(Report {
            producer,
            ticket,
            result,
        });
    }

    /// A purged producer: one request may still have been under way; the other records are purged, some silently.
    fn finish(&mut self, id: ProducerId, dice: &mut Dice) {
        let held = self.producers.remove(&id).unwrap();
        for (place, mut queue) in held.queues {
            if !held.dead && !self.down && dice.below(3) == 0 {
                let most = (1 + dice.below(3) as usize).min(queue.len());
                let batch: Vec<_> = queue.drain(..most).collect();
                if !self.lame.contains(&place.0)
                    && !batch.iter().any(Item::is_poison)
                    && !self.gone.contains(&place.0)
                    && !self.odd.contains(&place.0)
                {
                    self.append(&place, &batch);
                    if dice.below(2) == 0 {
                        batch
                            .iter()
                            .for_each(|item| self.post(id, item.ticket, Ok(())));
                    }
                }
            }
            for item in queue {
                if dice.below(2) == 0 {
                    self.post(id, item.ticket, Err(Code(-152)));
                }
            }
        }
        // Not even this always comes: a client can hang in its resolver.
        if self.calm || dice.below(10) != 0 {
            self.closed.push(id);
        }
    }

    /// As after kill -9: what was in the producers may still reach the broker; nobody hears of it.
    pub(crate) fn process_died(&mut self, dice: &mut Dice) {
        let ids: Vec<_> = self.producers.keys().copied().collect();
        for id in ids {
            self.finish(id, dice);
        }
        self.mail.clear();
        self.closed.clear();
        self.fatal.clear();
        self.heard.clear();
    }

    /// The publisher wants to know about a topic.
    pub(crate) fn asked(&mut self, topic: &Arc<str>, about: Seq) {
        self.heard.push(Heard {
            topic: Arc::clone(topic),
            about,
            answer: (!self.down).then(|| Finding::Fault {
                why: "asked".into(),
                is_sure: true,
            }),
        });
    }

    /// Some of what has arrived. A producer is closed only when its reports are all out.
    pub(crate) fn mail(&mut self, dice: &mut Dice) -> Mail {
        let most = dice.below(8) as usize + usize::from(self.calm);
        let reports: Vec<_> = self.mail.drain(..most.min(self.mail.len())).collect();
        let mut closed = Vec::new();
        if self.mail.is_empty() {
            closed.append(&mut self.closed);
        }
        Mail {
            reports,
            closed,
            fatal: self.fatal.drain(..).collect(),
            heard: self.heard.drain(..).collect(),
            ..Mail::default()
        }
    }
}

/// The publisher's way to it.
#[derive(Debug, Clone)]
pub(crate) struct FakeBroker(pub(crate) KafkaRef);

#[derive(Debug)]
pub(crate) struct FakeProducer {
    id: ProducerId,
    kafka: KafkaRef,
}

impl Broker for FakeBroker {
    type Producer = FakeProducer;

    fn open(&self, id: ProducerId, _: Arc<dyn Reports>) -> Result<FakeProducer, OpenError> {
        let mut kafka = self.0.lock().unwrap();
        if !kafka.calm && kafka.now.as_millis().is_multiple_of(7) {
            return Err(OpenError("a bad day".into()));
        }
        kafka.producers.insert(id, Held::default());
        Ok(FakeProducer {
            id,
            kafka: Arc::clone(&self.0),
        })
    }
}

impl Producer for FakeProducer {
    fn enqueue(&self, message: &Message, ticket: Ticket) -> Enqueued {
        let mut kafka = self.kafka.lock().unwrap();
        let now = kafka.now.as_millis();
        if !kafka.calm && now.is_multiple_of(11) {
            return Enqueued::Full;
        }
        if kafka.gone.contains(&*message.topic) && now.is_multiple_of(3) {
            return Enqueued::Refused(Code(-188));
        }
        let held = kafka.producers.get_mut(&self.id);
        let held = held.expect("a producer that is open");
        assert!(!held.closing, "enqueued into a producer that closes");
        if held.dead {
            return Enqueued::Refused(Code(-150));
        }
        let place = (
            message.topic.to_string(),
            message.key.clone().unwrap_or_default(),
        );
        let message = message.clone();
        held.queues
            .entry(place)
            .or_default()
            .push(Item { ticket, message });
        Enqueued::Taken
    }

    fn close(self) {}
}

impl Drop for FakeProducer {
    fn drop(&mut self) {
        if let Ok(mut kafka) = self.kafka.lock()
            && let Some(held) = kafka.producers.get_mut(&self.id)
        {
            held.closing = true;
        }
    }
}
