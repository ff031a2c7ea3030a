//! `recording.status` (332) and `recording.exception` (341): how a recording is going. Neither means that a file is ready.

use super::{embedded::Embedded, object::object};

object! {
    /// A recording started, paused, resumed, failed or ended (event 332, the vendor's page 267/58590). That the file is
    /// ready is told by event 100.
    RecordingStatus = RecordingStatus {
        /// The customer's account number.
        appid: i64,
        /// The push path.
        appname: String,
        /// The push domain.
        domain: String,
        /// When it happened, seconds since the epoch.
        event_time: i64,
        /// More about the recording. Sent as JSON in a string.
        record_detail: Embedded<RecordDetail>,
        /// `record_start_succeeded`, `record_start_failed`, `record_paused`, `record_resumed`, `record_error` or
        /// `record_ended`.
        record_event: String,
        /// The recording task; only of tasks made through the API.
        task_id: String as Id,
        /// The number of this status within its session: decimal, beyond 2^53.
        seq: String as Id,
        /// The recording session: decimal, beyond 2^53.
        session_id: String as Id,
        /// The stream's name; the task's id when a relay is recorded.
        stream_id: String as Id,
    }
}

object! {
    /// What `record_detail` of event 332 holds.
    RecordDetail {
        /// 1 FLV, 2 HLS, 3 MP4, 4 AAC, 5 MP3.
        file_format: i64,
        /// The bitrate that is recorded, kbit/s; 0 = the source stream.
        record_bps: i64,
        /// 1 by template, 5 through the API.
        start_model: i64,
        /// 1 the source stream, 2 with watermark, 3 transcoded.
        record_content: i64,
        /// 1 a live stream, 2 a relay.
        source_type: i64,
        /// The transcoding template; 0 = none.
        codec_temp_id: i64,
    }
}

object! {
    /// Something is wrong with what is being recorded (event 341, the vendor's page 267/68622). Repeats are merged; up to
    /// two minutes late. Which levels are sent is set at the vendor.
    RecordingException = RecordingException {
        /// The vendor's internal name of the callback: `general_callback`.
        interface: String,
        /// The customer's account number.
        appid: i64,
        /// The push domain.
        domain: String,
        /// The push path.
        path: String,
        /// The stream's name.
        stream_id: String as Id,
        /// The recording session: decimal, beyond 2^53.
        session_id: String as Id,
        /// `FLV`, `TS`, `MP4` or `AAC`, in either case.
        file_format: String,
        /// When it happened, seconds since the epoch.
        timestamp: i64,
        /// `info`, `warning` or `error`.
        exception_level: String,
        /// What is wrong.
        exception: ExceptionDetail,
    }
}

object! {
    /// What is wrong, in event 341.
    ExceptionDetail {
        /// -8/-9 audio/video timestamps jump, -10 they are far apart, -11/-24 a video/audio timestamp is invalid, -16 the
        /// stream could not be pulled, -17/-18 no audio/video, -22/-23 audio/video timestamps stand still, -100 the
        /// resolution changed, -104 writing failed, -120 the file was cut at a change of codec, -130/-131 video/audio
        /// frames were dropped, -132 unusual distance of key frames, -200/-201 uneven audio/video timestamps.
        kind("type"): i64,
        /// How often it occurred since the last callback.
        occurs: i64,
        /// A text for people.
        desc: String,
    }
}
