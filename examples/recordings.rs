//! Prints each finished recording once, as it arrives: the typed way to consume what livebridge publishes.
//!
//! ```text
//! cargo run --example recordings -- 127.0.0.1:9092 live.recording
//! ```

use livebridge::callback::event::RecordingFile;
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, Headers},
};
use std::{
    collections::{HashSet, VecDeque},
    error::Error,
};

/// A message can come twice, with one and the same `ce_id`: at least once is what the topic promises.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    /// Far more than lie between a message and its repetition; a real consumer keeps them with its results.
    const MOST: usize = 100_000;

    fn is_new(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".into());
    let topic = arguments.next().unwrap_or_else(|| "live.recording".into());
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "recordings-example")
        .set("auto.offset.reset", "earliest")
        // The offset is stored when a recording has been dealt with, not when it was fetched.
        .set("enable.auto.offset.store", "false")
        .create()?;
    consumer.subscribe(&[&topic])?;

    let mut seen = Seen::default();
    for message in consumer.iter() {
        match message {
            Ok(message) => {
                handle(&message, &mut seen);
                consumer.store_offset_from_message(&message)?;
            }
            // The client mends its connections by itself.
            Err(fault) => eprintln!("{fault}"),
        }
    }
    Ok(())
}

fn handle(message: &BorrowedMessage<'_>, seen: &mut Seen) {
    let id = header(message, "ce_id").unwrap_or_default();
    if header(message, "ce_type") != Some("com.tencent.css.recording.file") || !seen.is_new(id) {
        return;
    }
    match serde_json::from_slice::<RecordingFile>(message.payload().unwrap_or_default()) {
        Ok(recording) => println!(
            "{}: {} s, {} bytes, {}",
            recording.stream_id.as_deref().unwrap_or("(no stream)"),
            recording.duration.unwrap_or_default(),
            recording.file_size.unwrap_or_default(),
            recording.video_url.as_deref().unwrap_or("(no address)"),
        ),
        Err(fault) => eprintln!("{id} is no recording: {fault}"),
    }
}

fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m str> {
    let header = message
        .headers()?
        .iter()
        .find(|header| header.key == name)?;
    std::str::from_utf8(header.value?).ok()
}
