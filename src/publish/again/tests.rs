//! Replay and requeue of the golden spool, to a broker that does as a test says.

use super::{Fault, Left, With, courier::Courier, replay::replay_to, requeue::requeue_to};
use crate::{
    callback::names::Family,
    clock::SystemClock,
    config::{self, Payload, Topics},
    publish::{
        Settings,
        access::Access,
        broker::{Broker, Enqueued, OpenError, Producer},
        classify::Code,
        mailbox::{ProducerId, RecordTicket, Report, Reports, Ticket},
        message::{Message, Rendering},
    },
    spool::{
        Selection, Seq,
        look::{Look, aside::Shelf},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Says what becomes of the record with this number; none: no report ever.
type Fate = fn(u64) -> Option<Result<(), Code>>;

#[derive(Clone)]
struct Fake {
    fate: Fate,
    sent: Arc<Mutex<Vec<(u64, Message)>>>,
}

struct FakeProducer(Fake, ProducerId, Arc<dyn Reports>);

impl Fake {
    fn new(fate: Fate) -> Self {
        let sent = Arc::default();
        Self { fate, sent }
    }

    fn seqs(&self) -> Vec<u64> {
        self.sent
            .lock()
            .unwrap()
            .iter()
            .map(|(seq, _)| *seq)
            .collect()
    }
}

impl Broker for Fake {
    type Producer = FakeProducer;

    fn open(&self, id: ProducerId, reports: Arc<dyn Reports>) -> Result<FakeProducer, OpenError> {
        Ok(FakeProducer(self.clone(), id, reports))
    }
}

impl Producer for FakeProducer {
    fn enqueue(&self, message: &Message, ticket: Ticket) -> Enqueued {
        let Self(fake, producer, reports) = self;
        fake.sent
            .lock()
            .unwrap()
            .push((ticket.seq().0, message.clone()));
        if let Some(result) = (fake.fate)(ticket.seq().0) {
            reports.report(Report {
                producer: *producer,
                ticket,
                result,
            });
        }
        Enqueued::Taken
    }

    fn close(self) {}
}

fn settings(off: &[Family]) -> Settings {
    let named = |family: &&Family| !off.contains(family);
    let topic = |family: &Family| (*family, family.default_topic().to_owned());
    let topics = Topics {
        families: Family::ALL.iter().filter(named).map(topic).collect(),
        quarantine: None,
        checkpoint: "live.checkpoint".into(),
    };
    Settings {
        rendering: Rendering::of(Payload::Typed, &[], &topics),
        topics,
        kafka: Access::new(config::Kafka {
            bootstrap_servers: "127.0.0.1:1".into(),
            properties: BTreeMap::new(),
            property_files: BTreeMap::new(),
        }),
        body_bytes: 960 << 10,
        delivery: config::Delivery::AtLeastOnce,
        ack: config::Ack::Spool,
    }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spool-v1")
}

fn with(settings: &Settings) -> With<'_> {
    With {
        settings,
        clock: &SystemClock,
        metrics: None,
    }
}

fn go_on(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_replay_sends_what_was_published_once_more_with_a_mark_and_the_same_ids() {
    let (fake, settings) = (Fake::new(|_| Some(Ok(()))), settings(&[Family::Unknown]));
    let look = Look::open(&golden()).unwrap();
    let all = Selection::default();
    let plan = replay_to(fake.clone(), &look, &all, true, with(&settings), &mut go_on).unwrap();
    assert_eq!((plan.records(), fake.seqs()), (5, vec![]));
    let done = replay_to(
        fake.clone(),
        &look,
        &all,
        false,
        with(&settings),
        &mut go_on,
    )
    .unwrap();
    assert_eq!(done, plan);
    assert_eq!(fake.seqs(), [1, 3, 5, 6, 8]);
    assert_eq!((done.pending, done.quarantined, done.off), (2, 1, 1));
    for (_, message) in fake.sent.lock().unwrap().iter() {
        let names: Vec<_> = message.headers.iter().map(|(name, _)| *name).collect();
        assert!(names.contains(&"ce_id") && names.contains(&"livebridge-replayed"));
    }
}

#[test]
fn a_replay_ends_at_the_first_refusal_and_says_where_to_go_on() {
    let fake = Fake::new(|seq| (seq < 5).then_some(Ok(())).or(Some(Err(Code(10)))));
    let (settings, look) = (settings(&[]), Look::open(&golden()).unwrap());
    let ended = replay_to(
        fake,
        &look,
        &Selection::default(),
        false,
        with(&settings),
        &mut go_on,
    );
    let text = ended.unwrap_err().to_string();
    assert!(text.contains("record 5: MSG_SIZE_TOO_LARGE"), "{text}");
    assert!(
        text.contains("3 of 6 were replayed: go on with --seq 5.."),
        "{text}"
    );
}

#[test]
fn a_replay_ends_when_nobody_wants_it_any_more() {
    let fake = Fake::new(|_| Some(Ok(())));
    let (settings, look) = (settings(&[]), Look::open(&golden()).unwrap());
    let mut told = 0;
    let mut tell = |_, _| {
        told += 1;
        if told == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let ended = replay_to(
        fake,
        &look,
        &Selection::default(),
        false,
        with(&settings),
        &mut tell,
    );
    assert!(matches!(ended, Err(Fault::BrokenOff { .. })), "{ended:?}");
}

#[test]
fn a_courier_keeps_its_window_and_gives_up_when_nobody_answers() {
    let fake = Fake::new(|_| None);
    let mut courier = Courier::new(fake.clone(), 3).with_patience(Duration::from_millis(50));
    let message = Message {
        topic: "t".into(),
        key: None,
        headers: Vec::new(),
        payload: b"{}".to_vec(),
    };
    let mut send = |seq| {
        let ticket = RecordTicket {
            family: Family::Recording,
            seq: Seq(seq),
            transaction: None,
        };
        courier.send(&message, ticket, &mut |_, _| true)
    };
    for seq in 1..=3 {
        send(seq).unwrap();
    }
    assert!(matches!(send(4), Err(Fault::NoAnswer { .. })));
    assert_eq!(
        (fake.seqs(), courier.first_under_way()),
        (vec![1, 2, 3], Some(1))
    );
}

/// A quarantine with records 2 (untypable), 12 and 13 (recordings that can be typed).
fn quarantine() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("quarantine")).unwrap();
    fs::copy(golden().join("spool-id"), dir.path().join("spool-id")).unwrap();
    let entry = fs::read_dir(golden().join("quarantine"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let text = fs::read_to_string(entry.path()).unwrap();
    for seq in [2, 12, 13] {
        let mut text = text.replace("\"seq\":2,", &format!("\"seq\":{seq},"));
        if seq != 2 {
            text = text.replace("\"duration\":[]", "\"duration\":1");
        }
        fs::write(
            dir.path().join(format!("quarantine/{seq:020}-x.record")),
            text,
        )
        .unwrap();
    }
    dir
}

fn left(dir: &Path) -> Vec<u64> {
    let places = Shelf::of(dir).unwrap().list().unwrap();
    places.iter().map(|place| place.seq).collect()
}

#[test]
fn a_requeue_takes_out_what_was_acked_and_nothing_else() {
    let (dir, settings) = (quarantine(), settings(&[]));
    let shelf = Shelf::of(dir.path()).unwrap();
    let places = shelf.list().unwrap();
    let fake = Fake::new(|seq| Some(if seq == 12 { Err(Code(10)) } else { Ok(()) }));
    let done = requeue_to(fake.clone(), &shelf, &places, with(&settings), &mut go_on).unwrap();
    assert_eq!(
        done.by_topic,
        BTreeMap::from([("live.recording".to_owned(), 1)])
    );
    assert_eq!((done.left, left(dir.path())), (2, vec![2, 12]));
    let [
        Left {
            seq: 2,
            why: untypable,
        },
        Left {
            seq: 12,
            why: refused,
        },
    ] = &done.why[..]
    else {
        panic!("{:?}", done.why);
    };
    assert!(untypable.starts_with("duration: ") && refused.contains("MSG_SIZE_TOO_LARGE"));
    assert_eq!(fake.seqs(), [12, 13]);
    let sent = fake.sent.lock().unwrap();
    assert!(
        sent[1]
            .1
            .headers
            .iter()
            .any(|(name, _)| *name == "livebridge-requeued")
    );
}

#[test]
fn a_record_stays_in_the_quarantine_while_nobody_has_acked_it() {
    let (dir, settings) = (quarantine(), settings(&[]));
    let shelf = Shelf::of(dir.path()).unwrap();
    let places = shelf.list().unwrap();
    // Not the record's fault: it ends there, and all stay.
    let fake = Fake::new(|_| Some(Err(Code(-195))));
    let ended = requeue_to(fake, &shelf, &places, with(&settings), &mut go_on);
    assert!(
        matches!(ended, Err(Fault::Refused { seq: 12, .. })),
        "{ended:?}"
    );
    assert_eq!(left(dir.path()), [2, 12, 13]);
}
