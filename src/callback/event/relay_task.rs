//! `relay-task.event` (314): what a task that pulls a source and pushes it elsewhere is doing.

use super::{embedded::Embedded, object::object};

object! {
    /// A relay task started, changed its file, alarmed or exited (event 314, the vendor's page 267/42525). Never signed
    /// by the sender. An exit is not final: it also comes before a retry and when the task moves to another machine.
    RelayTaskEvent = RelayTaskEvent {
        /// The customer's account number.
        appid: i64,
        /// `TaskStart`, `VodSourceFileStart`, `VodSourceFileFinish`, `TaskExit` or `TaskAlarm`.
        callback_event: String,
        /// What is pulled. Sent as a JSON array in a string.
        source_urls: Embedded<Vec<String>>,
        /// Where it is pushed to. Missing at an exit.
        to_url: String,
        /// The stream that it becomes. Missing at an exit.
        stream_id: String as Id,
        /// The task. Missing at an exit.
        task_id: String as Id,
        /// More about it, depending on `callback_event`. Sent as JSON in a string.
        msg: Embedded<RelayMessage>,
        /// When it happened, seconds since the epoch. Sent as a string; missing in the vendor's samples.
        event_time: i64,
        /// `pullpush`.
        product_name: String,
        /// The vendor's internal name of the callback: `general_callback`.
        interface: String,
        /// The URL that this callback was sent to; a `path_token` in it is `***`.
        callback_url: String,
    }
}

object! {
    /// What `msg` of event 314 holds.
    RelayMessage {
        /// Of a start: when, milliseconds since the epoch.
        task_start_time: i64,
        /// Of a file: its URL.
        url: String,
        /// Of a file: its place in the list, from 0. A string in one version of the documents.
        index: i64,
        /// Of a file: its length, seconds.
        duration: f64,
        /// Of an exit: when, milliseconds since the epoch; may be 0.
        task_exit_time: i64,
        /// Of an exit: why, negative for errors. A string in one version of the documents.
        code: i64,
        /// Of an exit: a text for people.
        message: String,
        /// Of an alarm: `PullFileUnstable`, `PushStreamUnstable`, `PullFileFailed`, `PushStreamFailed` or `FileEndEarly`.
        kind("type"): String,
    }
}
