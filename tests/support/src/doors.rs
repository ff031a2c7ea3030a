//! A broker with further ways in, each with a login of its own kind, beside the one in clear text.

use crate::{
    kafka::{self, Blueprint, Broker},
    port::Port,
    process,
};
use std::fs;

/// A way in, on a port of its own.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its name, in capitals; also what [`Doors::way_in`] takes.
    pub name: &'static str,
    /// `SSL`, `SASL_SSL` or `SASL_PLAINTEXT`.
    pub protocol: &'static str,
    /// Settings of it alone: names without `listener.name.….`, and values.
    pub settings: Vec<(&'static str, String)>,
}

/// See the module.
#[derive(Debug)]
pub struct Doors {
    broker: Broker,
    ways: Vec<(&'static str, String)>,
}

impl Doors {
    /// Up and answering. `common` are lines for its settings.
    #[track_caller]
    pub fn started(listeners: &[Listener], common: &str) -> Self {
        let blueprint = Blueprint::new();
        let (direct, controller) = (blueprint.port.address(), blueprint.controller.address());
        let (mut open, mut protocols, mut more) = (String::new(), String::new(), String::new());
        let (mut ways, mut ports) = (Vec::new(), Vec::new());
        for listener in listeners {
            let Listener { name, protocol, .. } = listener;
            let port = Port::claim();
            open += &format!(",{name}://{}", port.address());
            protocols += &format!(",{name}:{protocol}");
            for (key, value) in &listener.settings {
                more += &format!("listener.name.{}.{key}={value}\n", name.to_lowercase());
            }
            ways.push((*name, port.address()));
            ports.push(port);
        }
        let settings = format!(
            "{usual}\
             listeners=PLAINTEXT://{direct},CONTROLLER://{controller}{open}\n\
             advertised.listeners=PLAINTEXT://{direct}{open}\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\n\
             {more}{common}",
            usual = blueprint.settings,
        );
        let blueprint = Blueprint {
            settings,
            ..blueprint
        };
        let broker = Broker::made(blueprint, ports);
        broker.start();
        Self { broker, ways }
    }

    /// By its way in clear text.
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// `host:port` of a further listener.
    #[track_caller]
    pub fn way_in(&self, name: &str) -> &str {
        let found = self.ways.iter().find(|(known, _)| *known == name);
        &found.expect("a listener of this name").1
    }

    /// Gives a user a password for SCRAM-SHA-256 and SCRAM-SHA-512, from now on.
    #[track_caller]
    pub fn set_password(&self, user: &str, password: &str) {
        let dir = tempfile::tempdir().expect("a directory");
        let source = dir.path().join("Scram.java");
        fs::write(&source, include_str!("Scram.java")).expect("the source");
        let mut java = kafka::java("32m", "256m");
        java.arg("-cp").arg(kafka::class_path(&[])).arg(&source);
        java.args([&self.broker.bootstrap(), user, password]);
        process::run("set a user's password (is a JDK installed?)", &mut java);
    }
}
