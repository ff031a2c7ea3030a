//! `stream.started` (1), `stream.interrupted` (0) and `stream.exception` (321): the life of a pushed stream.

use super::object::object;

object! {
    /// A stream began to be pushed (event 1, the vendor's page 267/38081).
    StreamStarted = StreamStarted {
        /// The customer's account number.
        appid: i64,
        /// The push domain.
        app: String,
        /// The push path.
        appname: String,
        /// The stream's name; unique only within domain and path.
        stream_id: String as Id,
        /// As a rule the same as `stream_id`; a real callback differed.
        channel_id: String as Id,
        /// When the message was made, seconds since the epoch.
        event_time: i64,
        /// One push: its start and its end share it. Decimal, beyond 2^53.
        sequence: String as Id,
        /// The address of the ingest node.
        node: String,
        /// The pusher's address: personal data.
        user_ip: String,
        /// The query of the push URL. It carries push credentials (`txSecret`), which are redacted by default.
        stream_param: String,
        /// 0 at a start.
        errcode: i64,
        /// A text for people; may be empty.
        errmsg: String,
        /// Where it was pushed to: 1 to 6 mainland China, 7 to 200 elsewhere.
        set_id: i64,
        /// The picture's width, pixels; 0 when not known yet.
        width: i64,
        /// The picture's height, pixels; 0 when not known yet.
        height: i64,
        /// The data centre: undocumented, but in real callbacks.
        idc_id: i64 as Seen,
    }
}

object! {
    /// A stream is no longer pushed (event 0, the vendor's page 267/38081).
    StreamInterrupted = StreamInterrupted {
        /// The customer's account number.
        appid: i64,
        /// The push domain.
        app: String,
        /// The push path.
        appname: String,
        /// The stream's name; unique only within domain and path.
        stream_id: String as Id,
        /// As a rule the same as `stream_id`; a real callback differed.
        channel_id: String as Id,
        /// When the message was made, seconds since the epoch.
        event_time: i64,
        /// One push: its start and its end share it. Decimal, beyond 2^53.
        sequence: String as Id,
        /// The address of the ingest node.
        node: String,
        /// The pusher's address: personal data.
        user_ip: String,
        /// The query of the push URL. It carries push credentials (`txSecret`), which are redacted by default.
        stream_param: String,
        /// How long it was pushed, milliseconds. Sent as a string; old senders leave it out.
        push_duration: i64,
        /// Why it ended: 1 to 4 and 35 the client stopped; 5, 9, 10, 11, 24 internal error; 6, 23 bad RTMP content; 7 a
        /// frame over the limit; 8, 20 no data for long; 12 to 17 network; 18 push refused; 19 the customer's own
        /// authentication failed; 21 dropped by an operator or the API; 33 bad AMF. Open-ended.
        errcode: i64,
        /// A text for people; may be empty.
        errmsg: String,
        /// Where it was pushed to: 1 to 6 mainland China, 7 to 200 elsewhere.
        set_id: i64,
        /// The picture's width, pixels; may be 0.
        width: i64,
        /// The picture's height, pixels; may be 0.
        height: i64,
        /// The data centre: undocumented, but in real callbacks.
        idc_id: i64 as Seen,
    }
}

object! {
    /// A pushed stream has faults (event 321, the vendor's page 267/53310): one for each stream and interval as long as
    /// the fault lasts.
    StreamException = StreamException {
        /// The customer's account number.
        appid: i64,
        /// The pusher's address: personal data.
        user_ip: String,
        /// When it was reported, milliseconds since the epoch.
        data_time: i64,
        /// The push domain.
        domain: String,
        /// The push path.
        path: String,
        /// The interval that is reported about, milliseconds.
        report_interval: i64,
        /// One push. Decimal, perhaps beyond 2^53.
        sequence: String as Id,
        /// The stream's name.
        stream_id: String as Id,
        /// The query of the push URL. It carries push credentials (`txSecret`), which are redacted by default.
        stream_param: String,
        /// How long the sender waits for an answer, milliseconds.
        timeout: i64,
        /// The vendor's internal name of the callback: `general_callback`.
        interface: String,
        /// The faults of the interval.
        abnormal_event: Vec<AbnormalEvent>,
    }
}

object! {
    /// One sort of fault within an interval, in event 321.
    AbnormalEvent {
        /// 1/2 video/audio timestamps go back; 3/4 they jump over 1,000 ms; 5 a chunk over 8,192 bytes; 6 a gap in the
        /// video over 3,000 ms; 7 a gap in the audio over 1,000 ms; 8/9 the codec changed; 10/11 data before the codec
        /// header; 12 uneven audio timestamps; 13 an uncommon codec; 14 a header that can't be parsed; 15 few frames a
        /// second; 16 over 10 s between key frames.
        kind("type"): i64,
        /// How often it occurred in the interval.
        count: i64,
        /// Whether customers may see it. Sent as a string; may be missing.
        customer_visible: bool,
        /// Often empty.
        event_key: String,
        /// The single occurrences.
        detail: Vec<Occurrence>,
        /// A text for people, Chinese.
        type_desc_cn: String,
        /// A text for people, English.
        type_desc_en: String,
    }
}

object! {
    /// One occurrence of a fault, in event 321.
    Occurrence {
        /// A text for people.
        desc: String,
        /// When, milliseconds since the epoch.
        occur_time: i64,
    }
}
