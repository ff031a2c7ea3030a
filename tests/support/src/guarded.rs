//! A broker with an authoriser: the relay comes in through a door of its own, by user and password, and may do only what
//! it was permitted. Everybody else on localhost may do everything. It forgets a producer that was idle for 3 s.

use crate::{
    kafka::{self, Blueprint, Broker},
    port::Port,
    process,
    reader::classes,
    relay::Relay,
};
use std::process::Command;

/// The relay's user.
const USER: &str = "relay";
const PASSWORD: &str = "relay-password";

/// See the module.
#[derive(Debug)]
pub struct Guarded {
    broker: Broker,
    door: String,
}

impl Guarded {
    /// Up and answering; the relay has no permissions yet.
    #[track_caller]
    pub fn started() -> Self {
        let blueprint = Blueprint::new();
        let door = Port::claim();
        let address = door.address();
        let (direct, controller) = (blueprint.port.address(), blueprint.controller.address());
        let settings = format!(
            "{usual}\
             listeners=PLAINTEXT://{direct},DOOR://{address},CONTROLLER://{controller}\n\
             advertised.listeners=PLAINTEXT://{direct},DOOR://{address}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,DOOR:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=PLAINTEXT\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.door.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\n\
             producer.id.expiration.ms=3000\n\
             producer.id.expiration.check.interval.ms=1000\n",
            usual = blueprint.settings,
        );
        let blueprint = Blueprint {
            settings,
            ..blueprint
        };
        let broker = Broker::made(blueprint, vec![door]);
        broker.start();
        Self {
            broker,
            door: address,
        }
    }

    /// For everybody but the relay.
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// For the relay.
    pub fn door(&self) -> &str {
        &self.door
    }

    /// Settings with which the relay is let in.
    #[must_use]
    pub fn let_in(&self, relay: Relay) -> Relay {
        [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", USER),
            ("sasl.password", PASSWORD),
        ]
        .into_iter()
        .fold(relay, |relay, (property, value)| {
            let key = format!("kafka.properties.\"{property}\"");
            relay.set(&key, &format!("\"{value}\""))
        })
    }

    /// The relay may write to these topics.
    #[track_caller]
    pub fn grant(&self, topics: &[&str]) {
        self.change("grant", topics);
    }

    /// It may no longer.
    #[track_caller]
    pub fn revoke(&self, topics: &[&str]) {
        self.change("revoke", topics);
    }

    /// The relay may read these topics.
    #[track_caller]
    pub fn grant_reading(&self, topics: &[&str]) {
        self.change("read", topics);
    }

    /// The relay may write under transactional ids that begin with these words.
    #[track_caller]
    pub fn grant_transactions(&self, prefixes: &[&str]) {
        self.change("transactions", prefixes);
    }

    #[track_caller]
    fn change(&self, how: &str, names: &[&str]) {
        let compiled = classes(
            "permissions",
            "Permissions",
            include_str!("Permissions.java"),
        );
        let mut java: Command = kafka::java("32m", "128m");
        java.arg("-cp")
            .arg(kafka::class_path(&[compiled]))
            .args(["Permissions", &self.broker.bootstrap(), how])
            .arg(format!("User:{USER}"))
            .args(names);
        process::run("change the relay's permissions", &mut java);
    }
}
