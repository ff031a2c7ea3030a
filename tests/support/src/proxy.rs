//! The network between the relay and a broker, and what can go wrong with it: a TCP proxy that the broker advertises.

use crate::{port::Port, wait};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A slow network passes on so much at a time …
const SLOW_BYTES: usize = 2 << 10;
/// … and so rarely: 100 KiB a second, each way and connection.
const SLOW_PAUSE: Duration = Duration::from_millis(20);

/// How it is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    Slow,
    Cut,
    HalfOpen,
}

/// A proxy on localhost. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    network: Arc<Network>,
}

#[derive(Debug)]
struct Network {
    upstream: String,
    weather: Mutex<Weather>,
    connections: Mutex<Vec<Weak<Connection>>>,
    over: AtomicBool,
}

/// One connection through it.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    broker: TcpStream,
    /// Nothing gets through any more, and nobody is told, as when a router forgets a connection.
    lost: AtomicBool,
}

impl Proxy {
    /// From this port to that address; fair.
    pub fn start(port: Port, upstream: String) -> Self {
        let listener = TcpListener::bind(port.address()).expect("a port that we have claimed");
        let network = Arc::new(Network {
            upstream,
            weather: Mutex::new(Weather::Fair),
            connections: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&network);
        std::thread::spawn(move || accepting.accept(&listener));
        Self { port, network }
    }

    /// `host:port` for clients.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// All is well again. Connections that were lost while it was half open stay lost; new ones work.
    pub fn fair(&self) {
        self.network.turns(Weather::Fair);
    }

    /// 100 KiB a second for each connection.
    pub fn slow(&self) {
        self.network.turns(Weather::Slow);
    }

    /// Every connection ends, and new ones end at once.
    pub fn cut(&self) {
        self.network.turns(Weather::Cut);
        self.network.each(Connection::end);
    }

    /// Every connection is lost without a word, and new ones are accepted and lead nowhere.
    pub fn half_open(&self) {
        self.network.turns(Weather::HalfOpen);
        self.network
            .each(|connection| connection.lost.store(true, Ordering::Relaxed));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.over.store(true, Ordering::Relaxed);
        self.network.each(Connection::end);
        // Wakes whoever accepts; that nobody does is fine.
        let _ = TcpStream::connect(self.port.address());
    }
}

impl Network {
    fn turns(&self, weather: Weather) {
        *self.lock() = weather;
    }

    fn weather(&self) -> Weather {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().expect("no panic under this lock")
    }

    fn each(&self, what: impl Fn(&Connection)) {
        let mut all = self.connections.lock().expect("no panic under this lock");
        all.retain(|connection| connection.upgrade().is_some());
        all.iter()
            .filter_map(Weak::upgrade)
            .for_each(|connection| what(&connection));
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().flatten() {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            match self.weather() {
                Weather::Cut => drop(client),
                Weather::HalfOpen => leads_nowhere(client),
                Weather::Fair | Weather::Slow => {
                    // A broker that is down: the client sees its connection end.
                    if let Ok(broker) = TcpStream::connect(&self.upstream) {
                        self.connect(client, broker);
                    }
                }
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream, broker: TcpStream) {
        let _ = client.set_nodelay(true);
        let _ = broker.set_nodelay(true);
        let connection = Arc::new(Connection {
            client,
            broker,
            lost: AtomicBool::new(false),
        });
        let mut all = self.connections.lock().expect("no panic under this lock");
        all.push(Arc::downgrade(&connection));
        drop(all);
        let (network, up) = (Arc::clone(self), Arc::clone(&connection));
        std::thread::spawn(move || {
            network.pump(&up.client, &up.broker, &up);
            up.end();
        });
        let network = Arc::clone(self);
        std::thread::spawn(move || {
            network.pump(&connection.broker, &connection.client, &connection);
            // The client of a lost connection doesn't hear of its end either.
            if !connection.is_lost() {
                connection.end();
            }
        });
    }

    /// One way, until the connection ends.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, connection: &Connection) {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            for part in buffer[..count].chunks(SLOW_BYTES) {
                if self.weather() == Weather::Slow {
                    wait::pass(SLOW_PAUSE);
                }
                if !connection.is_lost() && to.write_all(part).is_err() {
                    return;
                }
            }
        }
    }
}

impl Connection {
    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn end(&self) {
        // They may have ended already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.broker.shutdown(Shutdown::Both);
    }
}

/// Takes what comes, answers nothing, until the client has had enough.
fn leads_nowhere(mut client: TcpStream) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4 << 10];
        while let Ok(1..) = client.read(&mut buffer) {}
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    /// A proxy before something that sends back what it gets.
    fn proxy() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        Proxy::start(Port::claim(), upstream)
    }

    fn client(proxy: &Proxy) -> TcpStream {
        let client = TcpStream::connect(proxy.address()).unwrap();
        let patience = Some(Duration::from_secs(10));
        client.set_read_timeout(patience).unwrap();
        client
    }

    fn ask(mut client: &TcpStream) -> std::io::Result<[u8; 4]> {
        let mut answer = [0; 4];
        client.write_all(b"ping")?;
        client.read_exact(&mut answer)?;
        Ok(answer)
    }

    fn is_silent(client: &TcpStream) -> bool {
        let patience = Some(Duration::from_millis(200));
        client.set_read_timeout(patience).unwrap();
        let kind = ask(client).unwrap_err().kind();
        matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
    }

    #[test]
    fn a_cut_is_heard_and_over_once_it_is_fair() {
        let proxy = proxy();
        let before = client(&proxy);
        assert_eq!(ask(&before).unwrap(), *b"ping");
        proxy.cut();
        assert!(ask(&before).is_err());
        assert!(ask(&client(&proxy)).is_err());
        proxy.fair();
        assert_eq!(ask(&client(&proxy)).unwrap(), *b"ping");
    }

    #[test]
    fn half_open_says_nothing_and_what_was_lost_stays_lost() {
        let proxy = proxy();
        let before = client(&proxy);
        ask(&before).unwrap();
        proxy.half_open();
        assert!(is_silent(&before));
        assert!(is_silent(&client(&proxy)));
        proxy.fair();
        assert!(is_silent(&before));
        ask(&client(&proxy)).unwrap();
    }

    #[test]
    fn slow_is_slow() {
        let proxy = proxy();
        let mut client = client(&proxy);
        proxy.slow();
        let (since, mut all) = (std::time::Instant::now(), vec![7; 10 * SLOW_BYTES]);
        client.write_all(&all).unwrap();
        client.read_exact(&mut all).unwrap();
        assert!(since.elapsed() >= 10 * SLOW_PAUSE);
    }
}
