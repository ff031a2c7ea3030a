//! What is wrong between a client and its brokers, in words that say to whom it happened and what to do: pure.
//!
//! librdkafka says so in texts only, as an error or in its log, and much besides. What is known here to need a person is
//! put into a sentence that stays until something else is known to be wrong, or a broker acks.

use super::classify::Code;

/// How much a text helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// Only that something doesn't work, such as that all brokers are down: another text says why.
    Faint,
    /// Words that need reading, such as librdkafka's own about one broker.
    Plain,
    /// What is wrong, and what to do.
    Clear,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A sentence, without secrets.
    pub text: String,
    /// How much it helps.
    pub worth: Worth,
    /// The broker whose certificate was not accepted, `host:port`: it is worth asking why.
    pub certificate_of: Option<String>,
}

/// What librdkafka's texts mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Credentials,
    Mechanism,
    Token,
    BrokerCertificate,
    ClientCertificate,
    NoTls,
    WantsTls,
    WantsSasl,
}

/// Bits of librdkafka's and OpenSSL's texts, in lower case, in the order in which they are looked for.
const MEANINGS: &[(&str, Meaning)] = &[
    ("mechanism handshake failed", Meaning::Mechanism),
    ("oauthbearer token", Meaning::Token),
    ("oidc token", Meaning::Token),
    ("sasl authentication error", Meaning::Credentials),
    ("sasl authentication failure", Meaning::Credentials),
    (
        "broker certificate could not be verified",
        Meaning::BrokerCertificate,
    ),
    (
        "failed to verify broker certificate",
        Meaning::BrokerCertificate,
    ),
    ("certificate verify failed", Meaning::BrokerCertificate),
    ("connecting to a plaintext broker", Meaning::NoTls),
    ("wrong version number", Meaning::NoTls),
    ("packet length too long", Meaning::NoTls),
    ("alert certificate", Meaning::ClientCertificate),
    ("alert bad certificate", Meaning::ClientCertificate),
    ("alert unknown ca", Meaning::ClientCertificate),
    ("alert unsupported certificate", Meaning::ClientCertificate),
    ("alert handshake failure", Meaning::ClientCertificate),
    ("alert access denied", Meaning::ClientCertificate),
    (
        "client ssl authentication might be required",
        Meaning::ClientCertificate,
    ),
    ("connecting to a ssl listener", Meaning::WantsTls),
    ("broker might require sasl", Meaning::WantsSasl),
];

impl Trouble {
    /// From an error that a client reports.
    #[must_use]
    pub fn of_error(code: Code, reason: &str) -> Self {
        Self::of_line(reason).unwrap_or_else(|| Self {
            text: format!("{code}: {reason}"),
            worth: match code {
                Code::ALL_BROKERS_DOWN => Worth::Faint,
                _ => Worth::Plain,
            },
            certificate_of: None,
        })
    }

    /// From a line of a client's log; none if it says nothing that is known here.
    #[must_use]
    pub fn of_line(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let known = MEANINGS.iter().find(|(bit, _)| lower.contains(bit));
        let hung_up = hangs_up_on_clear_text(&lower).then_some(&Meaning::WantsTls);
        let meaning = known.map(|(_, meaning)| meaning).or(hung_up)?;
        let at = broker(text);
        let who = at.map_or_else(|| "a broker".into(), name_of);
        let certificate_of = (*meaning == Meaning::BrokerCertificate).then_some(at);
        Some(Self {
            certificate_of: certificate_of.flatten().map(str::to_owned),
            ..Self::clear(sentence(*meaning, &who, text))
        })
    }

    /// About the certificate of the broker at this address: why it isn't accepted, if that is known.
    #[must_use]
    pub fn of_certificate(address: &str, flaw: Option<&Flaw>) -> Self {
        Self::clear(certificate_sentence(&name_of(address), flaw))
    }

    /// Something about one broker or topic.
    #[must_use]
    pub const fn plain(text: String) -> Self {
        Self {
            text,
            worth: Worth::Plain,
            certificate_of: None,
        }
    }

    /// That something had no success, or no answer in time.
    #[must_use]
    pub const fn faint(text: String) -> Self {
        Self {
            text,
            worth: Worth::Faint,
            certificate_of: None,
        }
    }

    const fn clear(text: String) -> Self {
        Self {
            text,
            worth: Worth::Clear,
            certificate_of: None,
        }
    }

    /// The one that is shown after `before` was: the news, unless it is a faint one.
    #[must_use]
    pub fn after(self, before: Option<Self>) -> Self {
        match before {
            Some(before) if self.worth == Worth::Faint => before,
            _ => self,
        }
    }
}

fn name_of(address: &str) -> String {
    format!("the broker {address}")
}

fn sentence(meaning: Meaning, who: &str, text: &str) -> String {
    match meaning {
        Meaning::Credentials => {
            let mechanism = between(text, "SASL mechanism ", " ");
            let by = mechanism.map_or_else(String::new, |name| format!(" ({name})"));
            format!(
                "{who} refuses the user name or the password{by}: check sasl.username, sasl.password and sasl.mechanism, and \
                 that the brokers know this user"
            )
        }
        Meaning::Mechanism => {
            let offered = text.split_once("supported mechanisms: ");
            let offered = offered.map_or("", |(_, names)| without_state(names).trim());
            let offered = if offered.is_empty() {
                "none here"
            } else {
                offered
            };
            format!(
                "{who} doesn't take this sasl.mechanism (it offers: {offered}): set one that it offers"
            )
        }
        Meaning::Token => {
            let why = text.rsplit_once("token: ").map_or(text, |(_, why)| why);
            format!(
                "no token for OAUTHBEARER ({}): check sasl.oauthbearer.token.endpoint.url, \
                 sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret",
                clipped(without_state(why))
            )
        }
        Meaning::BrokerCertificate => certificate_sentence(who, None),
        Meaning::ClientCertificate => format!(
            "{who} refuses our client certificate, or none was shown ({}): check ssl.certificate.location and \
             ssl.key.location, that it hasn't expired, and that the brokers trust its CA",
            alert(text)
        ),
        Meaning::NoTls => format!(
            "{who} doesn't speak TLS on this port: use its TLS port in kafka.bootstrap_servers, or set security.protocol to \
             plaintext or sasl_plaintext"
        ),
        Meaning::WantsTls => format!(
            "{who} hangs up on clear text before it answers, as a TLS port does: set security.protocol to ssl or sasl_ssl, or use a \
             port without TLS in kafka.bootstrap_servers (or it is just going down)"
        ),
        Meaning::WantsSasl => format!(
            "{who} hangs up on who doesn't log in: set security.protocol to sasl_ssl or sasl_plaintext, and sasl.mechanism (or it \
             is just going down)"
        ),
    }
}

/// What is wrong with a broker's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// Since then.
    Expired(String),
    /// Before then.
    NotYet(String),
    /// It is for other names than this, by which the broker was called.
    Name(String),
    /// None of that: so no trusted CA has signed it.
    Issuer,
}

fn certificate_sentence(who: &str, flaw: Option<&Flaw>) -> String {
    let of = format!("the certificate of {who}");
    match flaw {
        Some(Flaw::Expired(when)) => {
            format!(
                "{of} expired on {when}: have it renewed (and see that the clock here is right)"
            )
        }
        Some(Flaw::NotYet(when)) => {
            format!("{of} is valid only from {when}: is the clock here right?")
        }
        Some(Flaw::Name(name)) => format!(
            "{of} is not for the name {name}: call the broker by a name that its certificate has (kafka.bootstrap_servers, the \
             brokers' advertised.listeners), or have one made for this name"
        ),
        Some(Flaw::Issuer) => format!(
            "{of} is not signed by a CA that is trusted here: set ssl.ca.location to the CA that signs the brokers' certificates"
        ),
        None => format!(
            "{of} can't be verified: check ssl.ca.location, the name by which the broker is called, and that the certificate \
             hasn't expired"
        ),
    }
}

/// What a TLS port does. librdkafka means to say so, and doesn't.
fn hangs_up_on_clear_text(lower: &str) -> bool {
    let hung_up = ["disconnected", "reset by peer"];
    lower.contains("in state apiversion_query")
        && hung_up.iter().any(|bit| lower.contains(bit))
        && !lower.contains("ssl://")
}

/// `host:port` from librdkafka's name of a broker, such as `sasl_ssl://kafka-1:9093/1: …`.
fn broker(text: &str) -> Option<&str> {
    // In a line of a log the thread's name comes first.
    let text = text.rsplit_once("]: ").map_or(text, |(_, rest)| rest);
    let (name, _) = text.split_once(": ")?;
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let (address, _) = name.rsplit_once('/')?;
    let is_address = address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    is_address.then_some(address)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let found = rest.split(after).next()?;
    Some(found.trim_end_matches([',', '.', ':'])).filter(|found| !found.is_empty())
}

/// Without ` (after 12ms in state …)`.
fn without_state(text: &str) -> &str {
    text.rsplit_once(" (after ").map_or(text, |(text, _)| text)
}

/// OpenSSL's word for what the other side said.
fn alert(text: &str) -> &str {
    let found = text.split(':').find(|part| part.contains("alert "));
    found.map_or("no certificate", |part| clipped(without_state(part)).trim())
}

/// What others say is shown up to here.
const OTHERS_MAX: usize = 160;

fn clipped(text: &str) -> &str {
    let end = text.char_indices().nth(OTHERS_MAX).map(|(at, _)| at);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
mod tests;
