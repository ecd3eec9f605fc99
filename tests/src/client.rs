//! A plain HTTP/1.1 client on a blocking socket: one request a connection. It sends exactly what it is
//! told, also broken bodies and uploads that stop in the middle.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

/// Asks one server.
#[derive(Debug, Clone)]
pub struct Client {
    addr: SocketAddr,
    headers: Vec<(String, String)>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}) under {}: {}", self.status, self.text()))
    }

    /// The body as JSON of an answer with this status.
    ///
    /// # Panics
    /// When the status is another.
    #[track_caller]
    pub fn of(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }
}

impl Client {
    /// A client of the server at an address.
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr, headers: Vec::new() }
    }

    /// The same with a header on every request.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.to_owned()));
        client
    }

    /// The same with an app's key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with("authorization", &format!("Bearer {key}"))
    }

    /// Where it asks.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn head(&self, method: &str, path: &str, more: &str) -> String {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{more}", self.addr);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    fn connected(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.addr, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// One request; an error where no whole answer came.
    ///
    /// # Errors
    /// Those of the socket, and an answer that is no HTTP.
    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
        let mut stream = self.connected()?;
        let mut more = String::new();
        if method != "GET" {
            more = format!("content-length: {}\r\n", body.len());
            if !kind.is_empty() {
                more.push_str(&format!("content-type: {kind}\r\n"));
            }
        }
        stream.write_all(self.head(method, path, &more).as_bytes())?;
        // Who refuses a large body early may have closed its side for reading: its answer counts.
        let written = stream.write_all(body);
        read_answer(stream).or_else(|error| written.and(Err(error)))
    }

    /// A GET.
    ///
    /// # Panics
    /// When no answer came.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// A POST of text as JSON.
    ///
    /// # Panics
    /// When no answer came.
    #[track_caller]
    pub fn post_text(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, "application/json", body.as_bytes())
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// A POST of JSON.
    ///
    /// # Panics
    /// When no answer came.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// A POST of NDJSON.
    ///
    /// # Panics
    /// When no answer came.
    #[track_caller]
    pub fn post_lines(&self, path: &str, body: &[u8]) -> Answer {
        self.ask("POST", path, "application/x-ndjson", body)
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Begins an NDJSON upload whose length is not told beforehand.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn upload(&self, path: &str) -> Result<Upload> {
        let mut stream = self.connected()?;
        let more = "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
        stream.write_all(self.head("POST", path, more).as_bytes())?;
        Ok(Upload { stream })
    }
}

/// A body that is written piece by piece.
#[derive(Debug)]
pub struct Upload {
    stream: TcpStream,
}

impl Upload {
    /// Writes one piece.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
        self.stream.write_all(piece)?;
        self.stream.write_all(b"\r\n")
    }

    /// Ends the body and reads the answer.
    ///
    /// # Errors
    /// Those of the socket, and an answer that is no HTTP.
    pub fn finish(mut self) -> Result<Answer> {
        self.stream.write_all(b"0\r\n\r\n")?;
        read_answer(self.stream)
    }
}

fn bad(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn read_answer(stream: TcpStream) -> Result<Answer> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.is_empty() {
        return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended without an answer"));
    }
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| bad("no status line"))?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        read_chunks(&mut reader, &mut answer.body)?;
    } else if let Some(length) = answer.header("content-length").and_then(|text| text.parse().ok()) {
        answer.body.resize(length, 0);
        reader.read_exact(&mut answer.body)?;
    } else {
        reader.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(|_| bad("a chunk without its length"))?;
        let start = body.len();
        body.resize(start + length, 0);
        if let Some(chunk) = body.get_mut(start..) {
            reader.read_exact(chunk)?;
        }
        line.clear();
        reader.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
    }
}
