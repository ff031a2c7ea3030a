//! What this bench is told on its command line.

use std::time::Duration;

/// For how many seconds callbacks come while Kafka is away.
const GATHER: u64 = 25;
const DELIVERIES: [&str; 2] = ["at-least-once", "exactly-once"];

/// See the usage in `main`.
pub(crate) struct Options {
    /// Of relays, beside the usual ones.
    pub(crate) settings: Vec<(String, String)>,
    /// Another build of the relay, which is loaded and drains backlogs in turns with this one.
    pub(crate) against: Option<String>,
    /// For how long callbacks gather while Kafka is away.
    pub(crate) gather: Duration,
    pub(crate) deliveries: Vec<String>,
    pub(crate) time: Duration,
    pub(crate) rounds: u64,
    pub(crate) minutes: u64,
}

impl Options {
    /// Before anything is started: what is wrong is said at once.
    pub(crate) fn parse(arguments: &[String]) -> Self {
        let number = |name, default| match value(arguments, name) {
            Some(text) => text
                .parse()
                .ok()
                .filter(|&number| number > 0)
                .unwrap_or_else(|| panic!("{name} takes a number from 1 on, not {text}")),
            None => default,
        };
        let delivery = value(arguments, "--delivery");
        if let Some(other) = delivery.filter(|delivery| !DELIVERIES.contains(delivery)) {
            panic!("--delivery is {}, not {other}", DELIVERIES.join(" or "));
        }
        let deliveries = DELIVERIES.iter().map(|&delivery| delivery.to_owned());
        Self {
            settings: settings(arguments),
            against: value(arguments, "--against").map(str::to_owned),
            gather: Duration::from_secs(number("--gather", GATHER)),
            deliveries: deliveries
                .filter(|one| delivery.is_none_or(|delivery| delivery == one))
                .collect(),
            time: Duration::from_secs(number("--seconds", 5)),
            rounds: number("--rounds", 3),
            minutes: number("--minutes", 20),
        }
    }
}

/// What follows the name.
fn value<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|a| a == name)?;
    let value = arguments.get(at + 1).filter(|v| !v.starts_with("--"));
    Some(value.unwrap_or_else(|| panic!("{name} needs a value")))
}

fn settings(arguments: &[String]) -> Vec<(String, String)> {
    let set = arguments.iter().skip_while(|a| *a != "--set").skip(1);
    set.take_while(|a| !a.starts_with("--"))
        .map(|setting| setting.split_once('=').expect("--set key=value"))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
