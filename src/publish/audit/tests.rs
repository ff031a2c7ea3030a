//! The comparison, without spool and Kafka.

use super::{
    Kind,
    identity::{Arrived, Mark},
    ledger::{Damaged, Detail, Facts, Hears, How, Ledger, Match, Said},
    pass::key,
    tracks,
};
use crate::{
    callback::names::{Family, SourceName},
    clock::Millis,
    config::{CloudEvents, Payload, Topics},
    publish::message::{Message, PROBE, REPLAYED, Rendering},
    spool::{CeId, Envelope, Record, Seq, look::Outcome},
};

const TOPIC: &str = "live.recording";
const ACCEPTED: u64 = 1_750_000_000_000;

fn rendering() -> Rendering {
    let topics = Topics {
        families: [(Family::Recording, TOPIC.to_owned())].into(),
        quarantine: None,
        checkpoint: "live.checkpoint".into(),
    };
    Rendering::of(Payload::Typed, &[], &topics)
}

fn record(seq: u64, stream: &str) -> Record {
    let body = format!("{{\"event_type\":100,\"stream_id\":\"{stream}\",\"file_size\":{seq}}}");
    let mut ce_id = [0; 16];
    ce_id[0] = u8::try_from(seq).unwrap();
    Record {
        seq: Seq(seq),
        ce_id: CeId(ce_id),
        accepted_at: Millis(ACCEPTED + seq),
        envelope: Envelope {
            source: SourceName::parse("tencent").unwrap(),
            family: Family::Recording,
            received_at: Millis(ACCEPTED + seq),
            traceparent: None,
            body: body.into(),
        },
    }
}

fn rendered(record: &Record) -> Message {
    let rendering = rendering();
    let topic = rendering.topic(Family::Recording).unwrap();
    rendering.message(record, topic).unwrap()
}

/// As it would come out of a topic.
fn arrived(message: &Message, partition: i32, offset: i64) -> Arrived<'_> {
    let headers = message.headers.iter();
    Arrived {
        partition,
        offset,
        at: Millis(ACCEPTED + 1000 + u64::try_from(offset).unwrap()),
        key: message.key.as_deref(),
        headers: headers.map(|(name, value)| (*name, &**value)).collect(),
        value: &message.payload,
    }
}

/// Nothing was forgotten, unless told so.
#[derive(Default)]
struct Sure {
    gone: bool,
    lost: bool,
}

impl Facts for Sure {
    fn may_be_gone(&self, _: u16, _: Option<u32>, _: Millis) -> Option<String> {
        self.gone.then(|| "retention".into())
    }

    fn lost_beginning(&self, _: u16, _: i32, _: Millis) -> bool {
        self.lost
    }
}

#[derive(Default)]
struct Heard {
    said: Vec<(Kind, u64, Detail)>,
    met: Vec<How>,
    across: usize,
}

impl Hears for Heard {
    fn say(&mut self, said: Said) {
        self.said.push((said.kind, said.seq.0, said.detail));
    }

    fn record(&mut self, _: u16, how: How) {
        self.met.push(how);
    }

    fn across_partitions(&mut self, _: u16) {
        self.across += 1;
    }
}

/// Records 1, 2, 3, … of these streams, all of them published.
fn ledger(streams: &[&str]) -> (Ledger, Vec<Message>) {
    let mut ledger = Ledger::default();
    let mut messages = Vec::new();
    for (seq, stream) in (1..).zip(streams) {
        let record = record(seq, stream);
        let message = rendered(&record);
        enter(&mut ledger, &record, Outcome::Published, Some(&message));
        messages.push(message);
    }
    ledger.seal();
    (ledger, messages)
}

fn enter(ledger: &mut Ledger, record: &Record, outcome: Outcome, message: Option<&Message>) {
    let key = key(record);
    ledger.add(record, outcome, (0, TOPIC), key.as_deref(), message);
}

fn take(ledger: &mut Ledger, arrived: &Arrived<'_>) -> Match {
    let identity = arrived.identity().unwrap();
    ledger.arrive(0, arrived, identity)
}

fn heard(ledger: Ledger, facts: &Sure) -> Heard {
    let mut heard = Heard::default();
    ledger.judge(facts, &mut heard);
    heard
}

#[test]
fn what_is_there_once_in_order_and_unaltered_gives_nothing_to_say() {
    let (mut ledger, messages) = ledger(&["a", "b", "a"]);
    for (offset, message) in (0..).zip(&messages) {
        assert!(matches!(
            take(&mut ledger, &arrived(message, 0, offset)),
            Match::Record(_, false)
        ));
    }
    let heard = heard(ledger, &Sure::default());
    assert_eq!(heard.said, []);
    assert_eq!(heard.met, [How::Found(true); 3]);
}

#[test]
fn a_published_record_that_is_not_there_is_missing_or_can_not_be_told_and_others_are_not_expected()
{
    let expected = [
        (Outcome::Published, Some(Kind::Missing)),
        (Outcome::Pending, None),
        (Outcome::Quarantined, None),
    ];
    for (outcome, kind) in expected {
        let ledger = || {
            let mut ledger = Ledger::default();
            let record = record(1, "a");
            enter(&mut ledger, &record, outcome, Some(&rendered(&record)));
            ledger.seal();
            ledger
        };
        let kinds = |facts| -> Vec<Kind> {
            let said = heard(ledger(), &facts).said;
            said.into_iter().map(|(kind, ..)| kind).collect()
        };
        assert_eq!(kinds(Sure::default()), Vec::from_iter(kind), "{outcome:?}");
        let gone = Sure {
            gone: true,
            ..Sure::default()
        };
        let untold = kind.map(|_| Kind::Untold);
        assert_eq!(kinds(gone), Vec::from_iter(untold), "{outcome:?}");
    }
}

#[test]
fn a_message_without_a_mark_that_comes_twice_is_a_duplicate_and_a_replay_is_none() {
    let (mut ledger, messages) = ledger(&["a", "a"]);
    let [first, second] = messages.as_slice() else {
        unreachable!()
    };
    for (offset, message) in [(0, first), (1, second), (2, first)] {
        take(&mut ledger, &arrived(message, 0, offset));
    }
    let mut replay = second.clone();
    replay.headers.push((REPLAYED, b"now".as_slice().into()));
    assert_eq!(arrived(&replay, 0, 3).mark(), Mark::Replayed);
    take(&mut ledger, &arrived(&replay, 0, 3));
    let heard = heard(ledger, &Sure::default());
    assert_eq!(heard.said, [(Kind::Duplicated, 1, Detail::Copies(2))]);
}

#[test]
fn what_is_there_only_as_a_replay_is_not_missing_and_tells_no_order() {
    let (mut ledger, messages) = ledger(&["a", "a"]);
    let [first, second] = messages.as_slice() else {
        unreachable!()
    };
    let mut replay = first.clone();
    replay.headers.push((REPLAYED, b"now".as_slice().into()));
    take(&mut ledger, &arrived(second, 0, 4));
    take(&mut ledger, &arrived(&replay, 0, 9));
    let heard = heard(ledger, &Sure::default());
    assert_eq!(heard.said, []);
    assert_eq!(heard.met, [How::FoundAgainOnly, How::Found(true)]);
}

#[test]
fn first_occurrences_of_a_stream_are_in_order_and_only_they_have_to_be() {
    let order = |streams: &[&str], log: &[usize], facts: &Sure| {
        let (mut ledger, messages) = ledger(streams);
        for (offset, place) in (0..).zip(log) {
            take(&mut ledger, &arrived(&messages[*place], 0, offset));
        }
        let said = heard(ledger, facts).said.into_iter();
        said.filter(|(kind, ..)| *kind == Kind::OutOfOrder)
            .collect::<Vec<_>>()
    };
    let sure = Sure::default();
    assert_eq!(
        order(&["a", "a", "a"], &[0, 2, 1], &sure),
        [(Kind::OutOfOrder, 3, Detail::After(Seq(2), 2))]
    );
    // Resent from the first on, as after a rebuild.
    assert_eq!(order(&["a", "a", "a"], &[0, 1, 0, 1, 2], &sure), []);
    assert_eq!(order(&["a", "b", "a"], &[1, 0, 2], &sure), []);
    // Without a key no order is promised.
    assert_eq!(order(&["", "", ""], &[2, 1, 0], &sure), []);
    // What looks like a first occurrence may be a second one.
    let lost = Sure {
        lost: true,
        ..Sure::default()
    };
    assert_eq!(order(&["a", "a"], &[1, 0], &lost), []);
}

#[test]
fn between_partitions_no_order_can_be_told() {
    let (mut ledger, messages) = ledger(&["a", "a", "b"]);
    for (message, partition, offset) in [
        (&messages[0], 0, 9),
        (&messages[1], 3, 0),
        (&messages[2], 0, 1),
    ] {
        take(&mut ledger, &arrived(message, partition, offset));
    }
    let heard = heard(ledger, &Sure::default());
    assert_eq!((heard.said, heard.across), (vec![], 1));
}

#[test]
fn a_changed_key_header_or_value_is_altered_and_says_where() {
    let (original, expected) = (record(1, "a"), rendered(&record(1, "a")));
    let mut value = expected.clone();
    *value.payload.last_mut().unwrap() = b']';
    let mut key = expected.clone();
    key.key = Some(b"b".to_vec());
    let mut header = expected.clone();
    let time = header
        .headers
        .iter_mut()
        .find(|(name, _)| *name == "ce_time");
    time.unwrap().1 = b"never".as_slice().into();
    let mut more = expected.clone();
    more.headers.push(("x", b"y".as_slice().into()));
    let mut less = expected.clone();
    less.headers.retain(|(name, _)| *name != "ce_subject");
    let last = expected.payload.len() - 1;
    for (message, words) in [
        (value, format!("value, from byte {last} on")),
        (key, "key".into()),
        (header, "header ce_time".into()),
        (more, "an additional header x".into()),
        (less, "no header ce_subject".into()),
    ] {
        let mut ledger = Ledger::default();
        enter(&mut ledger, &original, Outcome::Published, Some(&expected));
        ledger.seal();
        let arrived = arrived(&message, 0, 0);
        assert_eq!(take(&mut ledger, &arrived), Match::Record(Seq(1), true));
        let said = heard(ledger, &Sure::default()).said;
        let [(Kind::Altered, 1, Detail::Differs(parts))] = said.as_slice() else {
            panic!("{said:?}");
        };
        let kept = tracks::Kept::of(&arrived);
        assert_eq!(
            tracks::differences(*parts, Some(&kept), Some(&expected)),
            words
        );
    }
}

#[test]
fn a_record_that_can_not_be_typed_is_looked_for_and_not_compared() {
    let mut ledger = Ledger::default();
    let record = record(1, "a");
    enter(&mut ledger, &record, Outcome::Published, None);
    ledger.seal();
    let mut message = rendered(&record);
    message.payload = b"{}".to_vec();
    assert_eq!(
        take(&mut ledger, &arrived(&message, 0, 0)),
        Match::Record(Seq(1), false)
    );
    let heard = heard(ledger, &Sure::default());
    assert_eq!((heard.said, heard.met), (vec![], vec![How::Found(false)]));
}

#[test]
fn a_damaged_record_is_looked_for_by_its_id() {
    for found in [true, false] {
        let mut ledger = Ledger::default();
        let record = record(1, "a");
        let damaged = Damaged {
            seq: record.seq,
            accepted_at: record.accepted_at,
            topic: 0,
            settled: true,
            found: false,
        };
        assert!(ledger.add_damaged(record.ce_id, damaged));
        ledger.seal();
        if found {
            let message = rendered(&record);
            assert_eq!(take(&mut ledger, &arrived(&message, 0, 0)), Match::Damaged);
        }
        let said = heard(ledger, &Sure::default()).said;
        let missing = [(Kind::Missing, 1, Detail::Damaged)];
        assert_eq!(said, if found { &[][..] } else { &missing });
    }
}

#[test]
fn the_same_callback_received_again_or_by_another_relay_is_another_record() {
    let (mut ledger, _) = ledger(&["a"]);
    let mut later = record(1, "a");
    later.envelope.received_at = Millis(ACCEPTED + 9_000);
    assert_eq!(
        take(&mut ledger, &arrived(&rendered(&later), 0, 0)),
        Match::Other
    );
    let mut other = record(1, "a");
    other.envelope.source = SourceName::parse("other").unwrap();
    assert_eq!(
        take(&mut ledger, &arrived(&rendered(&other), 0, 1)),
        Match::Other
    );
}

#[test]
fn a_message_is_recognised_in_either_mode_whatever_the_settings_are_now() {
    let original = record(1, "a");
    let structured = {
        let rendering = rendering().in_mode(CloudEvents::Structured);
        let topic = rendering.topic(Family::Recording).unwrap();
        rendering.message(&original, topic).unwrap()
    };
    for (published, differs) in [(rendered(&original), true), (structured.clone(), false)] {
        let mut ledger = Ledger::default();
        enter(
            &mut ledger,
            &original,
            Outcome::Published,
            Some(&structured),
        );
        ledger.seal();
        let arrived = arrived(&published, 0, 0);
        assert_eq!(take(&mut ledger, &arrived), Match::Record(Seq(1), differs));
    }
}

#[test]
fn a_probe_and_a_strangers_message_have_no_identity() {
    let probe = Arrived {
        partition: 0,
        offset: 0,
        at: Millis(0),
        key: None,
        headers: vec![(PROBE, b"now".as_slice())],
        value: b"{}",
    };
    assert_eq!((probe.identity(), probe.mark()), (None, Mark::Probe));
}
