//! The parts that the simulated publisher works with: each looks into the one world, and acts on it.

use super::{
    kafka::{KafkaRef, POISON},
    world::{Fate, WorldRef, key_of},
};
use crate::{
    callback::names::Family,
    publish::{
        classify::Code,
        copies::Copies,
        mailbox::{ProducerId, Report, Reports},
        message::Message,
        publisher::Render,
        stalls::Asks,
        trouble::Trouble,
    },
    spool::{
        Aside, Cursor, Next, Outlet, QuarantineError, Reason, Record, Seq, Settled, Unrelated,
    },
};
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};

pub(super) struct Post;

impl Reports for Post {
    fn report(&self, _: Report) {}
    fn trouble(&self, _: ProducerId, _: Code, _: Trouble) {}
    fn closed(&self, _: ProducerId) {}
}

pub(super) struct FakeCopies;

impl Copies for FakeCopies {
    fn offer(&self, _: Message, _: Option<Seq>) -> bool {
        true
    }
}

pub(super) struct FakeWatch(pub(super) KafkaRef);

impl Asks for FakeWatch {
    fn ask(&self, topic: &Arc<str>, about: Seq) {
        self.0.lock().unwrap().asked(topic, about);
    }

    fn look_soon(&self) {}
}

/// Copies that lie here until the test takes them away. Few have room.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<VecDeque<OnShelf>>>);

/// A copy, and the record that owes it.
pub(crate) type OnShelf = (Message, Option<Seq>);

impl Shelf {
    /// The oldest.
    pub(crate) fn take(&self) -> Option<OnShelf> {
        self.0.lock().unwrap().pop_front()
    }
}

impl Copies for Shelf {
    fn offer(&self, copy: Message, owed_by: Option<Seq>) -> bool {
        let mut copies = self.0.lock().unwrap();
        let has_room = copies.len() < 2;
        if has_room {
            copies.push_back((copy, owed_by));
        }
        has_room
    }
}

pub(super) struct FakeRender(pub(super) WorldRef);

impl Render for FakeRender {
    fn message(&self, record: &Record, topic: &Arc<str>) -> Result<Message, Reason> {
        let fate = self.0.lock().unwrap().fate(record.seq);
        if fate == Fate::Untypable {
            return Err(Reason {
                label: "untypable",
                detail: "made so".into(),
                topic: topic.to_string(),
            });
        }
        Ok(Message {
            topic: Arc::clone(topic),
            key: Some(key_of(record.seq)),
            headers: Vec::new(),
            payload: if fate == Fate::Poison {
                POISON.to_vec()
            } else {
                Vec::new()
            },
        })
    }

    fn quarantine_copy(&self, _: &Record, _: &Reason) -> Option<Message> {
        None
    }
}

pub(super) struct FakeOutlet(pub(super) WorldRef);

pub(super) struct FakeCursor {
    world: WorldRef,
    passed: Seq,
}

impl Cursor for FakeCursor {
    fn passed(&self) -> Seq {
        self.passed
    }

    fn next(&mut self, wanted: &dyn Fn(Family) -> bool, limit: Seq) -> io::Result<Option<Next>> {
        let world = self.world.lock().unwrap();
        while self.passed < limit.min(world.durable_end()) {
            self.passed = self.passed.next();
            let (record, fate) = &world.records[self.passed.0 as usize - 1];
            if !wanted(record.envelope.family) {
                continue;
            }
            if *fate == Fate::Corrupt {
                return Ok(Some(Next::Corrupt {
                    seq: record.seq,
                    family: record.envelope.family,
                }));
            }
            return Ok(Some(Next::Record(record.clone())));
        }
        Ok(None)
    }
}

impl Unrelated for FakeOutlet {}

impl Outlet for FakeOutlet {
    type Cursor = FakeCursor;

    fn cursor(&self, after: Seq) -> FakeCursor {
        FakeCursor {
            world: Arc::clone(&self.0),
            passed: after,
        }
    }

    fn durable_end(&self) -> Seq {
        self.0.lock().unwrap().durable_end()
    }

    fn settled_at_start(&self) -> Settled {
        self.0.lock().unwrap().checkpoint
    }

    fn checkpoint(&mut self, settled: &Settled) -> io::Result<()> {
        let mut world = self.0.lock().unwrap();
        assert!(
            settled.most() <= world.durable_end(),
            "the checkpoint leads"
        );
        let before = world.checkpoint;
        for (record, _) in &world.records[before.least().0 as usize..] {
            let family = record.envelope.family;
            if (before.of(family)..=settled.of(family)).contains(&record.seq)
                && record.seq > before.of(family)
            {
                assert!(
                    world.is_settled(record.seq),
                    "the checkpoint passed {}",
                    record.seq
                );
            }
        }
        for &family in Family::ALL {
            assert!(
                settled.of(family) >= world.checkpoint.of(family),
                "it went back"
            );
        }
        world.checkpoint = *settled;
        Ok(())
    }

    fn quarantine(&mut self, record: &Record, _: &Reason) -> Result<Aside, QuarantineError> {
        let mut world = self.0.lock().unwrap();
        if world.no_room {
            return Err(QuarantineError::Full {
                bytes: 1,
                max_bytes: 1,
            });
        }
        world.aside.insert(record.seq);
        Ok(Aside::Kept)
    }

    fn settled_corrupt(&self) {
        self.0.lock().unwrap().corrupt += 1;
    }
}
