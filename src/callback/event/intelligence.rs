//! `intelligence.subtitles` (338), `.erasure` (347), `.summary` (348) and `.highlight` (349): what was understood of a stream.

use super::object::object;

object! {
    /// Live subtitles (event 338, the vendor's page 267/73170): many, and only while somebody watches the subtitled
    /// stream. Interim texts come before a final one.
    IntelligenceSubtitles = IntelligenceSubtitles {
        /// The customer's account number; missing in samples.
        appid: i64,
        /// The stream's name.
        stream_id: String as Id,
        /// As a rule the same as `stream_id`.
        channel_id: String as Id,
        /// The subtitle task.
        task_id: String as Id,
        /// The texts.
        data: SubtitleData,
    }
}

object! {
    /// The list of texts, in event 338.
    SubtitleData {
        /// The texts.
        subtitle_tmp_res: Vec<Subtitle>,
    }
}

object! {
    /// One text, in event 338.
    Subtitle {
        /// What was said.
        src_txt: String,
        /// Its translation, if one is set.
        dst_txt: String,
        /// From where in the stream, milliseconds.
        start_pts: i64,
        /// To where in the stream, milliseconds.
        end_pts: i64,
        /// From when, seconds since the epoch.
        start_unix_time: i64,
        /// To when, seconds since the epoch.
        end_unix_time: i64,
        /// Whether the text is final.
        steady_state: bool,
    }
}

object! {
    /// Words that were muted (event 347, the vendor's page 267/73169).
    IntelligenceErasure = IntelligenceErasure {
        /// The customer's account number; missing in samples.
        appid: i64,
        /// The stream's name.
        stream_id: String as Id,
        /// As a rule the same as `stream_id`.
        channel_id: String as Id,
        /// The erasing task.
        task_id: String as Id,
        /// The texts with hits.
        data: ErasureData,
    }
}

object! {
    /// The list of texts, in event 347.
    ErasureData {
        /// The texts.
        subtitle_tmp_res: Vec<ErasedText>,
    }
}

object! {
    /// One text with hits, in event 347.
    ErasedText {
        /// What was said.
        src_txt: String,
        /// From where in the stream, milliseconds.
        start_pts: i64,
        /// To where in the stream, milliseconds.
        end_pts: i64,
        /// From when, seconds since the epoch.
        start_unix_time: i64,
        /// To when, seconds since the epoch.
        end_unix_time: i64,
        /// What was muted.
        keywords_info: Vec<Keyword>,
    }
}

object! {
    /// A muted word, in event 347.
    Keyword {
        /// The word.
        word: String,
        /// From where in the stream, milliseconds.
        begin_time: i64,
        /// To where in the stream, milliseconds.
        end_time: i64,
    }
}

object! {
    /// The summary of a part of a stream (event 348, the vendor's page 267/74671).
    IntelligenceSummary = IntelligenceSummary {
        /// The customer's account number.
        appid: i64,
        /// The push domain.
        domain: String,
        /// The push path.
        path: String,
        /// The stream's name.
        stream_id: String as Id,
        /// From when, seconds since the epoch.
        begin_time: i64,
        /// To when, seconds since the epoch.
        end_time: i64,
        /// A title.
        title: String,
        /// The summary.
        summary: String,
        /// Its key words.
        key_words: Vec<String>,
        /// Its main points.
        key_points: Vec<String>,
    }
}

object! {
    /// Highlights of a stream, as files (event 349, the vendor's page 267/74672).
    IntelligenceHighlight = IntelligenceHighlight {
        /// The customer's account number.
        appid: i64,
        /// The push domain.
        domain: String,
        /// The push path.
        path: String,
        /// The stream's name.
        stream_id: String as Id,
        /// The highlights.
        items: Vec<Highlight>,
    }
}

object! {
    /// One highlight, in event 349.
    Highlight {
        /// From when, seconds since the epoch.
        begin_time: i64,
        /// To when, seconds since the epoch.
        end_time: i64,
        /// A title.
        title: String,
        /// A summary.
        summary: String,
        /// Where to fetch the video.
        video_store_url: String,
        /// Where to fetch its cover picture; may be empty.
        cov_img_store_url: String,
        /// Its key words.
        key_words: Vec<String>,
    }
}
