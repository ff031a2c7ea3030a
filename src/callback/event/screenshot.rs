//! `screenshot.file` (200): a picture was taken from a stream.

use super::object::object;

object! {
    /// A screenshot is ready (event 200, the vendor's page 267/38083). It has no account number and no event time.
    ScreenshotFile = ScreenshotFile {
        /// The push domain.
        app: String,
        /// The push path.
        appname: String,
        /// The query of the push URL. It carries push credentials (`txSecret`), which are redacted by default.
        stream_param: String,
        /// The stream's name.
        stream_id: String as Id,
        /// As a rule the same as `stream_id`.
        channel_id: String as Id,
        /// When it was taken, seconds since the epoch.
        create_time: i64,
        /// The size of the picture, bytes.
        file_size: u64,
        /// Its width, pixels.
        width: i64,
        /// Its height, pixels.
        height: i64,
        /// Its path in the storage.
        pic_url: String,
        /// Its whole URL.
        pic_full_url: String,
        /// The screenshot task; only from newer senders.
        task_id: String as Id,
    }
}
