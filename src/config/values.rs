//! Texts to values, pure: durations, sizes, numbers, addresses, topic names. An error says what to write instead.

use super::Endpoint;
use http::Uri;
use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};
use tracing_subscriber::EnvFilter;

/// Why a text is no value: what it is not, and what to write.
pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        let value = if text == "0" {
            Duration::ZERO
        } else {
            humantime::parse_duration(text).map_err(|_| {
                format!("{text:?} is not a duration; write it like \"30s\", \"5m\" or \"24h\"")
            })?
        };
        if range.contains(&value) {
            Ok(value)
        } else {
            let (least, most) = (range.start(), range.end());
            Err(format!(
                "{text:?} is out of range; it must be from {} to {}",
                humantime::format_duration(*least),
                humantime::format_duration(*most)
            ))
        }
    }
}

pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<u64> {
    move |text| {
        let value = text
            .parse::<bytesize::ByteSize>()
            .map_err(|_| {
                format!("{text:?} is not a size; write it like \"10GiB\" or as a number of bytes")
            })?
            .as_u64();
        within(text, value, &range, |bytes| {
            bytesize::ByteSize(bytes).display().iec().to_string()
        })
    }
}

pub(super) fn count(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<usize> {
    move |text| {
        let value = text
            .parse::<u64>()
            .map_err(|_| format!("{text:?} is not a whole number"))?;
        let value = within(text, value, &range, |n| n.to_string())?;
        usize::try_from(value).map_err(|_| format!("{text:?} is too large for this machine"))
    }
}

pub(super) fn count_or_off(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<Option<usize>> {
    let count = count(range);
    move |text| match text {
        "off" => Ok(None),
        text => count(text)
            .map(Some)
            .map_err(|problem| format!("{problem}; or write \"off\"")),
    }
}

fn within(
    text: &str,
    value: u64,
    range: &RangeInclusive<u64>,
    show: impl Fn(u64) -> String,
) -> Parsed<u64> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (show(*range.start()), show(*range.end()));
    Err(format!(
        "{text:?} is out of range; it must be from {least} to {most}"
    ))
}

pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an address; write IP:PORT, such as 0.0.0.0:8080 or [::]:8080")
    })
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                format!("{text:?} is not known; write {}", known.join(" or "))
            })
    }
}

/// A legal Kafka topic name.
pub(super) fn topic(text: &str) -> Parsed<String> {
    let legal = (1..=249).contains(&text.len())
        && !matches!(text, "." | "..")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if legal {
        Ok(text.into())
    } else {
        Err(format!(
            "{text:?} is not a Kafka topic name; write 1 to 249 of A-Z, a-z, 0-9, '.', '_' and '-'"
        ))
    }
}

/// A legal topic name, or `off`.
pub(super) fn topic_or_off(text: &str) -> Parsed<Option<String>> {
    if text == "off" {
        return Ok(None);
    }
    topic(text)
        .map(Some)
        .map_err(|problem| format!("{problem}, or \"off\""))
}

/// A legal topic name of a topic that can't be off.
pub(super) fn topic_needed(text: &str) -> Parsed<String> {
    if text == "off" {
        return Err("can't be off; write a topic name, or leave it out".into());
    }
    topic(text)
}

/// What may stand before a broker's address, as in `SSL://kafka:9093`.
const SECURITY_PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];

/// `host:port`, comma-separated.
pub(super) fn bootstrap_servers(text: &str) -> Parsed<String> {
    let servers: Vec<_> = text.split(',').map(str::trim).collect();
    for (place, server) in (1..).zip(&servers) {
        let (scheme, address) = match server.split_once("://") {
            Some((scheme, address)) => (Some(scheme.to_ascii_lowercase()), address),
            None => (None, *server),
        };
        let known = scheme.is_none_or(|scheme| SECURITY_PROTOCOLS.contains(&&*scheme));
        let of_a_host = |c: char| c.is_alphanumeric() || "-._:[]%".contains(c);
        let valid = address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && host.chars().all(of_a_host)
                && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
        if !known || !valid {
            // Not quoted: people put passwords into addresses.
            return Err(format!(
                "entry {place} is not a broker's address; write host:port, several separated by commas"
            ));
        }
    }
    Ok(servers.join(","))
}

/// An `http` URL of a collector of traces.
pub(super) fn endpoint(text: &str) -> Parsed<Endpoint> {
    const HINT: &str = "write it like http://127.0.0.1:4318/v1/traces";
    // Not quoted: people put passwords into URLs.
    let uri: Uri = text.parse().map_err(|_| format!("is not a URL; {HINT}"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(format!(
                "https isn't spoken to a collector: put one beside the relay that passes spans on, and {HINT}"
            ));
        }
        _ => return Err(format!("must begin with http://; {HINT}")),
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let password = uri.authority().is_some_and(|a| a.as_str().contains('@'));
    if host.is_empty() || password || uri.port_u16() == Some(0) {
        return Err(format!("needs a host and no password; {HINT}"));
    }
    let path = uri.path_and_query().map(ToString::to_string);
    Ok(Endpoint {
        host: host.into(),
        port: uri.port_u16().unwrap_or(80),
        path: path
            .filter(|path| path != "/")
            .unwrap_or_else(|| "/v1/traces".into()),
    })
}

/// A share of the whole.
pub(super) fn share(text: &str) -> Parsed<f64> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?} is not a share; write a number from 0 to 1, such as 0.1"))
}

/// A path, which need not exist.
pub(super) fn path(text: &str) -> Parsed<std::path::PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return Err("is not a path; write the path of a directory".into());
    }
    Ok(text.into())
}

/// A filter of `tracing`. A bare word must be a level: `EnvFilter` takes `inof` for the name of a module, and then
/// logs nothing.
pub(super) fn log_filter(text: &str) -> Parsed<String> {
    const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "off"];
    let hint =
        "write trace, debug, info, warn, error or off, or a filter such as info,librdkafka=debug";
    for part in text.split(',').map(str::trim) {
        let bare = !part.contains(['=', '[']);
        if bare && !LEVELS.contains(&part.to_ascii_lowercase().as_str()) {
            return Err(format!("{part:?} is not a log level; {hint}"));
        }
    }
    EnvFilter::try_new(text)
        .map(|_| text.into())
        .map_err(|_| format!("{text:?} is not a log filter; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gibibyte_is_two_to_the_thirty() {
        let size = size(0..=u64::MAX);
        assert_eq!(size("10GiB"), Ok(10 << 30));
        assert_eq!(size("10 GiB"), Ok(10 << 30));
        assert_eq!(size("960KiB"), Ok(960 << 10));
        assert_eq!(size("10737418240"), Ok(10 << 30));
        assert_eq!(size("1GB"), Ok(1_000_000_000));
        assert!(size("ten").unwrap_err().contains("10GiB"));
        assert!(size("-1").is_err());
        assert!(size("1GiBs").is_err());
    }

    #[test]
    fn durations_have_a_unit_and_a_range() {
        let duration = duration(Duration::from_secs(1)..=Duration::from_secs(3600));
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert!(duration("30").unwrap_err().contains("\"30s\""));
        assert!(duration("2h").unwrap_err().contains("from 1s to 1h"));
        assert!(duration("0").unwrap_err().contains("out of range"));
    }

    #[test]
    fn topic_names_are_those_of_kafka() {
        for good in ["live.recording", "A_b-1", &"x".repeat(249)] {
            assert!(topic(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(250)] {
            assert!(topic(bad).is_err(), "{bad}");
        }
        assert_eq!(topic_or_off("off"), Ok(None));
    }

    #[test]
    fn brokers_have_a_host_and_a_port() {
        assert_eq!(bootstrap_servers("a:1, b:2"), Ok("a:1,b:2".into()));
        assert_eq!(bootstrap_servers("[::1]:9092"), Ok("[::1]:9092".into()));
        assert_eq!(bootstrap_servers("SSL://a:9093"), Ok("SSL://a:9093".into()));
        for bad in [
            "",
            "a",
            ":1",
            "a:x",
            "a:0",
            "a:1,",
            "http://u@a/b:1",
            "http://a:1",
            "a:1;b:1",
            "a:1 b:1",
        ] {
            assert!(bootstrap_servers(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_collector_has_an_http_url_without_a_password() {
        let url = |text| endpoint(text).map(|endpoint| endpoint.to_string());
        let whole = "http://127.0.0.1:4318/v1/traces";
        assert_eq!(url(whole), Ok(whole.into()));
        assert_eq!(url("http://127.0.0.1:4318"), Ok(whole.into()));
        assert_eq!(
            url("http://[::1]:4318/a?b"),
            Ok("http://[::1]:4318/a?b".into())
        );
        assert_eq!(url("http://otel/"), Ok("http://otel:80/v1/traces".into()));
        assert!(url("https://otel/").unwrap_err().contains("beside"));
        for bad in [
            "",
            "otel:4318",
            "/v1",
            "http://",
            "http://otel:0",
            "ftp://otel",
        ] {
            assert!(url(bad).unwrap_err().contains("http://"), "{bad}");
        }
        let secret = url("http://me:s3cret@otel/").unwrap_err();
        assert!(!secret.contains("s3cret"), "{secret}");
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!(share("0.25"), Ok(0.25));
        assert_eq!(share("1"), Ok(1.0));
        for bad in ["", "-0.1", "1.01", "NaN", "10%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mistyped_log_level_is_not_taken_for_a_module() {
        assert!(log_filter("info,librdkafka=debug").is_ok());
        assert!(log_filter("WARN").is_ok());
        assert!(log_filter("inof").unwrap_err().contains("not a log level"));
        assert!(log_filter("livebridge=lots").is_err());
    }
}
