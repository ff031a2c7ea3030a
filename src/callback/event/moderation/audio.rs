//! Event 315, and what is inside it.

use crate::callback::event::object::object;

object! {
    /// Suspicious sound (event 315, the vendor's page 267/58643). In this event `task_id` and `seq` are numbers.
    ModerationAudio = ModerationAudio {
        /// The customer's account number.
        appid: i64,
        /// The account's number within live streaming; obsolete.
        bizid: i64 as Seen,
        /// The stream's name.
        stream_id: String as Id,
        /// As a rule the same as `stream_id`.
        channel_id: String as Id,
        /// The push domain.
        domain: String,
        /// The push path.
        path: String,
        /// 1 if something was found, else 0.
        hit_flag("HitFlag"): i64,
        /// How sure the finding is, 0 to 100.
        score("Score"): f64,
        /// A finer label.
        sub_tag("SubTag"): String,
        /// The moderation task: here an integer.
        task_id: i64,
        /// 2 = normal.
        status: i64,
        /// The recognised text.
        asr_text: String,
        /// Where to fetch the sound; may be empty.
        cdn_url: String,
        /// The length of the sound, seconds.
        duration: f64,
        /// The label with the highest priority.
        label: String,
        /// A finer label.
        sub_label: String,
        /// `Block`, `Review` or `Pass`.
        suggestion: String,
        /// This finding.
        request_id: String as Id,
        /// The number of this finding: here an integer, beyond 2^31.
        seq: i64,
        /// Languages recognised.
        language_results: Vec<LanguageResult>,
        /// Moaning recognised.
        moan_results: Vec<MoanResult>,
        /// Sounds recognised.
        recognition_results: Vec<RecognitionResult>,
        /// Speakers recognised.
        speaker_results: Vec<SpeakerResult>,
        /// Findings in the recognised text.
        text_results: Vec<TextResult>,
        /// The pieces of sound.
        data: AudioData,
        /// The vendor's internal name of the callback: `general_callback`.
        interface: String,
    }
}

object! {
    /// A language recognised, in event 315.
    LanguageResult {
        /// The language.
        label("Label"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// From where in the piece, seconds.
        start_time("StartTime"): f64,
        /// To where in the piece, seconds.
        end_time("EndTime"): f64,
    }
}

object! {
    /// A speaker recognised, in event 315.
    SpeakerResult {
        /// The speaker.
        label("Label"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// From where in the piece, seconds.
        start_time("StartTime"): f64,
        /// To where in the piece, seconds.
        end_time("EndTime"): f64,
    }
}

object! {
    /// Moaning recognised, in event 315.
    MoanResult {
        /// The label.
        label("Label"): String,
        /// A finer label.
        sub_label("SubLabel"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// `Block`, `Review` or `Pass`.
        suggestion("Suggestion"): String,
        /// From where in the piece, seconds.
        start_time("StartTime"): f64,
        /// To where in the piece, seconds.
        end_time("EndTime"): f64,
    }
}

object! {
    /// Sounds recognised, in event 315.
    RecognitionResult {
        /// The label.
        label("Label"): String,
        /// The single findings.
        tags("Tags"): Vec<RecognitionTag>,
    }
}

object! {
    /// One sound recognised, in event 315.
    RecognitionTag {
        /// What it is.
        name("Name"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// From where in the piece, seconds.
        start_time("StartTime"): f64,
        /// To where in the piece, seconds.
        end_time("EndTime"): f64,
    }
}

object! {
    /// A finding in the recognised text, in event 315.
    TextResult {
        /// The label.
        label("Label"): String,
        /// A finer label.
        sub_label("SubLabel"): String,
        /// The words that led to it.
        keywords("Keywords"): Vec<String>,
        /// The word list that was hit.
        lib_id("LibId"): String as Id,
        /// Its name.
        lib_name("LibName"): String,
        /// The sort of word list.
        lib_type("LibType"): i64,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// `Block`, `Review` or `Pass`.
        suggestion("Suggestion"): String,
        /// The single hits.
        hit_infos("HitInfos"): Vec<HitInfo>,
    }
}

object! {
    /// A hit in a text, in event 315.
    HitInfo {
        /// The sort of hit, for example `Keyword`.
        kind("Type"): String,
        /// The word.
        keyword("Keyword"): String,
        /// The word list.
        lib_name("LibName"): String,
        /// Where in the text.
        positions("Positions"): Vec<Position>,
    }
}

object! {
    /// A place in a text, in event 315.
    Position {
        /// The first character, from 0.
        start("Start"): i64,
        /// The character after the last.
        end("End"): i64,
    }
}

object! {
    /// The pieces of sound, in event 315.
    AudioData {
        /// The pieces.
        asr_tmp_full_results: Vec<AudioPiece>,
    }
}

object! {
    /// A piece of sound, in event 315.
    AudioPiece {
        /// Where in the stream it appears, seconds.
        appearing_point: Vec<f64>,
        /// How sure the recognition is, 0 to 100.
        confidence: f64,
        /// When it was made, seconds since the epoch: undocumented, but in the vendor's sample.
        create_time: i64 as Seen,
        /// The piece; may be empty.
        id: String as Id,
        /// From where to where, `00:00:00-00:00:15`.
        periods: String,
        /// Where to fetch the sound.
        url: String,
    }
}
