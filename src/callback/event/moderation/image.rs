//! Event 317, and what is inside it.

use crate::callback::event::{object::object, raw::Raw};

object! {
    /// A suspicious picture (event 317, the vendor's page 267/38084). In this event the stream is `streamId`.
    ModerationImage = ModerationImage {
        /// The customer's account number.
        appid: i64,
        /// The push domain.
        app: String,
        /// The push path.
        appname: String,
        /// The stream's name.
        stream_id("streamId"): String as Id,
        /// As a rule the same as `streamId`.
        channel_id("channelId"): String as Id,
        /// The query of the push URL. It carries push credentials (`txSecret`), which are redacted by default.
        stream_param: String,
        /// Where to fetch the picture.
        img: String,
        /// The labels with the highest priority, by number. A single one from old senders.
        kind("type"): Vec<i64> as OneOrMany,
        /// How sure each of `type` is, 0 to 100. A single one from old senders. (The vendor's sample has a `socre` instead,
        /// which is not taken for it.)
        score: Vec<f64> as OneOrMany,
        /// `Block`, `Review` or `Pass`.
        suggestion: String,
        /// The label with the highest priority.
        label: String,
        /// A finer label.
        sub_label("subLabel"): String,
        /// The recognised text.
        ocr_msg("ocrMsg"): String,
        /// When the picture was taken, seconds since the epoch.
        screenshot_time("screenshotTime"): i64,
        /// When the finding was sent, seconds since the epoch.
        send_time("sendTime"): i64,
        /// Findings in the whole picture.
        label_results("labelResults"): Vec<LabelResult>,
        /// Objects found.
        object_results("objectResults"): Vec<ObjectResult>,
        /// Findings in recognised text.
        ocr_results("ocrResults"): Vec<OcrResult>,
        /// Pictures of the customer's own lists that were found.
        lib_results("libResults"): Vec<LibResult>,
        /// Kept by the vendor for compatibility, without a documented type.
        tid: Raw as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        abduction_risk("abductionRisk"): Raw as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        confidence: f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        normal_score("normalScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        hot_score("hotScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        porn_score("pornScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        terror_score("terrorScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        polity_score("polityScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        illegal_score("illegalScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        similar_score("similarScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        abuse_score("abuseScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        teenager_score("teenagerScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        ad_score("adScore"): f64 as Seen,
        /// Kept by the vendor for compatibility, without a documented type.
        custom_score("customScore"): f64 as Seen,
        /// Undocumented, but in the vendor's sample.
        level: i64 as Seen,
        /// Undocumented, but in the vendor's sample.
        face_details("faceDetails"): Raw as Seen,
        /// Undocumented here, but seen: 1 if something was found, else 0.
        hit_flag("HitFlag"): i64 as Seen,
    }
}

object! {
    /// A finding in the whole picture, in event 317.
    LabelResult {
        /// 1 if something was found, else 0.
        hit_flag("HitFlag"): i64,
        /// The model that looked.
        scene("Scene"): String,
        /// `Block`, `Review` or `Pass`.
        suggestion("Suggestion"): String,
        /// The label.
        label("Label"): String,
        /// A finer label.
        sub_label("SubLabel"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// The single findings.
        details("Details"): Vec<LabelDetail>,
    }
}

object! {
    /// A single finding, in event 317.
    LabelDetail {
        /// Its number.
        id("Id"): i64,
        /// The label.
        name("Name"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
    }
}

object! {
    /// Objects found, in event 317.
    ObjectResult {
        /// 1 if something was found, else 0.
        hit_flag("HitFlag"): i64,
        /// The model that looked.
        scene("Scene"): String,
        /// `Block`, `Review` or `Pass`.
        suggestion("Suggestion"): String,
        /// The label.
        label("Label"): String,
        /// A finer label.
        sub_label("SubLabel"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// What was found.
        names("Names"): Vec<String>,
        /// The single objects.
        details("Details"): Vec<ObjectDetail>,
    }
}

object! {
    /// A single object, in event 317.
    ObjectDetail {
        /// Its number.
        id("Id"): i64,
        /// What it is.
        name("Name"): String,
        /// What it says, for example the content of a QR code.
        value("Value"): String as Seen,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// Where it is.
        location("Location"): Location,
    }
}

object! {
    /// A place in a picture, in event 317.
    Location {
        /// From the left, pixels.
        x("X"): f64,
        /// From the top, pixels.
        y("Y"): f64,
        /// Pixels.
        width("Width"): f64,
        /// Pixels.
        height("Height"): f64,
        /// The angle, degrees.
        rotate("Rotate"): f64,
    }
}

object! {
    /// Findings in recognised text, in event 317.
    OcrResult {
        /// 1 if something was found, else 0.
        hit_flag("HitFlag"): i64,
        /// The model that looked.
        scene("Scene"): String,
        /// `Block`, `Review` or `Pass`.
        suggestion("Suggestion"): String,
        /// The label.
        label("Label"): String,
        /// A finer label.
        sub_label("SubLabel"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// The whole text, at most 5,000 bytes.
        text("Text"): String,
        /// The single findings.
        details("Details"): Vec<OcrDetail>,
    }
}

object! {
    /// A single finding in recognised text, in event 317.
    OcrDetail {
        /// The text.
        text("Text"): String,
        /// The label.
        label("Label"): String,
        /// The words that led to it.
        keywords("Keywords"): Vec<String>,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// Where it is.
        location("Location"): Location,
    }
}

object! {
    /// Pictures of the customer's own lists that were found, in event 317.
    LibResult {
        /// 1 if something was found, else 0.
        hit_flag("HitFlag"): i64,
        /// The model that looked.
        scene("Scene"): String,
        /// `Block`, `Review` or `Pass`.
        suggestion("Suggestion"): String,
        /// The label.
        label("Label"): String,
        /// A finer label.
        sub_label("SubLabel"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
        /// The single pictures.
        details("Details"): Vec<LibDetail>,
    }
}

object! {
    /// A single picture of a list, in event 317.
    LibDetail {
        /// Its number.
        id("Id"): i64,
        /// The picture in the list.
        image_id("ImageId"): String as Id,
        /// The label.
        label("Label"): String,
        /// The customer's own label.
        tag("Tag"): String,
        /// How sure, 0 to 100.
        score("Score"): f64,
    }
}
