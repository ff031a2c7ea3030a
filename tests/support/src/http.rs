//! A plain HTTP/1.1 client over one kept-alive connection. It hides nothing: no retry, no redirect.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

/// What was answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client of one server. It connects when needed.
#[derive(Debug)]
pub struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
    timeout: Duration,
}

impl Client {
    /// Of this `host:port`; waits as long for an answer as the sender does, 20 s.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            connection: None,
            timeout: Duration::from_secs(20),
        }
    }

    /// Gets a path.
    ///
    /// # Errors
    /// If there was no answer.
    pub fn get(&mut self, path: &str) -> io::Result<Response> {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: relay\r\n\r\n").as_bytes())
    }

    /// Posts a JSON body.
    ///
    /// # Errors
    /// If there was no answer. The server may have taken the body all the same.
    pub fn post(&mut self, path: &str, body: &str) -> io::Result<Response> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.ask(&[head.as_bytes(), body.as_bytes()].concat())
    }

    /// Sends these bytes, whatever they are, and reads one answer.
    ///
    /// # Errors
    /// If there was no answer.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        connection.get_mut().write_all(request)?;
        let (response, keep) = read(&mut connection)?;
        if keep {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        Ok(BufReader::new(stream))
    }
}

/// One answer, and whether the connection can be used again.
fn read(connection: &mut impl BufRead) -> io::Result<(Response, bool)> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| broken("no status line"))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    let closes = response
        .header("connection")
        .is_some_and(|v| v.eq_ignore_ascii_case("close"));
    match response.header("content-length").map(str::parse) {
        Some(Ok(length)) => {
            response.body = vec![0; length];
            connection.read_exact(&mut response.body)?;
            Ok((response, !closes))
        }
        Some(Err(_)) => Err(broken("no number in content-length")),
        None => {
            connection.read_to_end(&mut response.body)?;
            Ok((response, false))
        }
    }
}
