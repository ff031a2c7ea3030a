//! Three brokers, each also a controller, and a network of its own between each of them and the relay.
//!
//! ```text
//!  relay ──► proxy ──► broker 1 ◄──┐
//!    ├─────► proxy ──► broker 2 ◄──┤  replication, quorum, and the test's own clients: not through the proxies
//!    └─────► proxy ──► broker 3 ◄──┘
//! ```
//!
//! With one broker away, the other two have a quorum and elect leaders. What takes 30 s in production takes a few here:
//! a broker that is silent for 3 s loses its leaderships, one that lags for 3 s is no longer in sync, and leaderships
//! go back to where they belong within a second or two.

use crate::{
    admin::Admin,
    kafka::{Blueprint, Broker},
    port::Port,
    proxy::Proxy,
};

const BROKERS: u16 = 3;

/// See the module. Dropping it kills all brokers.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Broker>,
    proxies: Vec<Proxy>,
}

impl Cluster {
    /// All up and answering.
    #[track_caller]
    pub fn started() -> Self {
        let controllers: Vec<_> = (0..BROKERS).map(|_| Port::claim()).collect();
        let voters: Vec<_> = (1..)
            .zip(&controllers)
            .map(|(node, port)| format!("{node}@{}", port.address()))
            .collect();
        let voters = voters.join(",");
        let mut proxies = Vec::new();
        let made = (1..).zip(controllers).map(|(node, controller)| {
            let (proxied, inside) = (Port::claim(), Port::claim());
            let blueprint = blueprint(node, controller, &voters, proxied.address(), &inside);
            proxies.push(Proxy::start(proxied, inside.address()));
            // Each takes a few seconds, most of it waiting.
            std::thread::spawn(move || {
                let broker = Broker::made(blueprint, vec![inside]);
                broker.launch();
                broker
            })
        });
        let made: Vec<_> = made.collect();
        let brokers = made.into_iter().map(|b| b.join().expect("a broker"));
        let cluster = Self {
            brokers: brokers.collect(),
            proxies,
        };
        cluster.brokers.iter().for_each(Broker::wait_until_up);
        cluster
    }

    /// The brokers; the first is number 1.
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// One of them, from 0 on, and the way from the relay to it.
    pub fn one(&self, index: usize) -> (&Broker, &Proxy) {
        (&self.brokers[index], &self.proxies[index])
    }

    /// The way from the relay to each of them.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// For the test's own clients.
    pub fn bootstrap(&self) -> String {
        let all: Vec<_> = self.brokers.iter().map(Broker::bootstrap).collect();
        all.join(",")
    }

    /// For the relay: through the proxies.
    pub fn proxied(&self) -> String {
        let all: Vec<_> = self.proxies.iter().map(Proxy::address).collect();
        all.join(",")
    }

    /// Does to topics what an operator does.
    pub fn admin(&self) -> Admin {
        Admin::of(&self.bootstrap())
    }
}

fn blueprint(
    node: u16,
    controller: Port,
    voters: &str,
    proxied: String,
    inside: &Port,
) -> Blueprint {
    let port = Port::claim();
    let settings = format!(
        "node.id={node}\n\
         controller.quorum.voters={voters}\n\
         listeners=PLAINTEXT://{direct},PROXIED://{inside},CONTROLLER://{controller}\n\
         advertised.listeners=PLAINTEXT://{direct},PROXIED://{proxied}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         replica.lag.time.max.ms=3000\n\
         replica.fetch.wait.max.ms=200\n\
         leader.imbalance.check.interval.seconds=1\n\
         leader.imbalance.per.broker.percentage=0\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n\
         transaction.state.log.replication.factor=3\n\
         transaction.state.log.min.isr=2\n",
        direct = port.address(),
        inside = inside.address(),
        controller = controller.address(),
    );
    Blueprint {
        port,
        controller,
        format: &[],
        settings,
        ..Blueprint::new()
    }
}
