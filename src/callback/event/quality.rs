//! `quality.monitoring` (328), `quality.control` (343), `quality.evaluation` (344) and `quality.evaluation-average` (345).

use super::object::object;

object! {
    /// Something that real-time monitoring saw (event 328, the vendor's page 267/88050). Never signed by the sender; no
    /// sample of it is published.
    QualityMonitoring = QualityMonitoring {
        /// The customer's account number.
        appid: i64,
        /// The account's number within live streaming.
        bizid: i64,
        /// The vendor's internal name of the callback: `general_callback`.
        interface: String,
        /// What was seen.
        event_name: String,
        /// When, milliseconds since the epoch.
        event_time: i64,
        /// A text for people.
        event_msg: String,
        /// The stream's name.
        stream_id: String as Id,
    }
}

object! {
    /// A fault found in picture, sound or container (event 343, the vendor's page 267/73166).
    QualityControl = QualityControl {
        /// The customer's account number.
        appid: i64,
        /// The push path.
        appname: String,
        /// The stream's name.
        stream_id: String as Id,
        /// The push domain.
        domain: String,
        /// When, seconds since the epoch.
        event_time: i64,
        /// How bad it is, on the scale of `class`.
        score: f64,
        /// The transcoding template.
        transcode_template_id: i64,
        /// The watermark template.
        watermark_template_id: i64,
        /// `QualityControl`.
        function: String,
        /// The sort of fault: `Blur`, `Mosaic`, `Silence`, `TimestampFallback`, `VideoDroppingFrames`, … Open-ended.
        class: String,
    }
}

object! {
    /// A quality metric crossed its threshold (event 344, the vendor's page 267/73167).
    QualityEvaluation = QualityEvaluation {
        /// The customer's account number.
        appid: i64,
        /// The push path.
        appname: String,
        /// The stream's name.
        stream_id: String as Id,
        /// The push domain.
        domain: String,
        /// When, seconds since the epoch.
        event_time: i64,
        /// The transcoding template.
        transcode_template_id: i64,
        /// The watermark template; missing for metrics that compare with a reference.
        watermark_template_id: i64,
        /// `Assessment`.
        function: String,
        /// `PSNR`, `SSIM`, `VMAF` or `VQA`.
        class: String,
        /// The frames that were judged.
        frames: Vec<FrameScore>,
    }
}

object! {
    /// The average of a quality metric (event 345, the vendor's page 267/73168).
    QualityEvaluationAverage = QualityEvaluationAverage {
        /// The customer's account number.
        appid: i64,
        /// The push path.
        appname: String,
        /// The stream's name.
        stream_id: String as Id,
        /// The push domain.
        domain: String,
        /// When, seconds since the epoch.
        event_time: i64,
        /// The transcoding template.
        transcode_template_id: i64,
        /// The watermark template; missing for metrics that compare with a reference.
        watermark_template_id: i64,
        /// `Assessment`.
        function: String,
        /// `PSNR`, `SSIM`, `VMAF` or `VQA`.
        class: String,
        /// The frames that were judged.
        frames: Vec<FrameScore>,
        /// The mean of their scores.
        average_score: f64,
        /// The highest of their scores.
        max_score: f64,
        /// The lowest of their scores.
        min_score: f64,
    }
}

object! {
    /// One judged frame, in events 344 and 345.
    FrameScore {
        /// On the scale of the event's `class`.
        score: f64,
        /// When, milliseconds since the epoch.
        time: i64,
    }
}
