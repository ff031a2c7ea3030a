//! `recording.file` (100): a recording is finished and can be fetched. The event for which this bridge was built.

use super::{embedded::Embedded, object::object, raw::Raw};

object! {
    /// A finished recording (event 100, the vendor's page 267/38082). One for each file of a segmented recording; of an
    /// HLS recording that may be resumed, only one for the final file, after the time allowed for resuming.
    ///
    /// There is no event time in it: `ce_time` is the end of the recording.
    RecordingFile = RecordingFile {
        /// The customer's account number.
        appid: i64,
        /// The push domain. Missing in callbacks of 2018.
        app: String,
        /// The push path, `live` by default. Missing in callbacks of 2018.
        appname: String,
        /// The stream's name; unique only within domain and path.
        stream_id: String as Id,
        /// As a rule the same as `stream_id`.
        channel_id: String as Id,
        /// The file's id in the vendor's media store, unique there. Of recordings kept in object storage it looks like
        /// `<appid>_<hex>`.
        file_id: String as Id,
        /// The recording's file id; equals `file_id` wherever both were seen.
        record_file_id: String as Id,
        /// `flv`, `hls`, `mp4` or `aac`.
        file_format: String,
        /// The recording task. Documented for tasks made through the API only; in practice also of template tasks,
        /// where it equals `callback_ext.session_id`. May be over 50 characters long.
        task_id: String as Id,
        /// When the recording started, seconds since the epoch. Not the start of the content, which is
        /// `end_time - duration`.
        start_time: i64,
        /// When the recording ended, seconds since the epoch.
        end_time: i64,
        /// The fraction of `start_time`, microseconds (0 to 999,999).
        start_time_usec: i64,
        /// The fraction of `end_time`, microseconds (0 to 999,999).
        end_time_usec: i64,
        /// The length of the content, seconds.
        duration: i64,
        /// The size of the file, bytes. Old senders write it as a string.
        file_size: u64,
        /// The query of the push URL. It carries push credentials (`txSecret`), which are redacted by default. Absent or
        /// empty for tasks made through the API.
        stream_param: String,
        /// Where to fetch the file.
        video_url: String,
        /// The first presentation timestamp that was pulled, milliseconds.
        media_start_time: i64,
        /// The bitrate of the transcoded stream that was recorded, kbit/s; 0 = the source stream.
        record_bps: i64,
        /// The recording template; empty for a global task.
        record_temp_id: String as Id,
        /// More about the recording. Sent as JSON in a string. The vendor advises against depending on it.
        callback_ext: Embedded<CallbackExt>,
        /// Another id of the file: undocumented, but in the callbacks seen since 2020.
        video_id: String as Seen,
        /// Only in callbacks of the oldest generation; undocumented.
        vod2_flag("vod2Flag"): Raw as Seen,
    }
}

object! {
    /// What `callback_ext` of event 100 holds.
    CallbackExt {
        /// For example `h264`.
        video_codec: String,
        /// For example `640x480`.
        resolution: String,
        /// The recording task.
        session_id: String as Id,
    }
}
