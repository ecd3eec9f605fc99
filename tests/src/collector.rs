//! An OpenTelemetry collector that keeps what it is told, and a relay that notes the heads of requests on their
//! way to a vendor.

use std::io::{BufRead, BufReader, Result, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::wait::eventually;

/// The collector.
#[derive(Debug)]
pub struct Collector {
    addr: SocketAddr,
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
    heads: Arc<Mutex<String>>,
}

/// The head and the body of a request.
fn request(reader: &mut impl BufRead) -> Result<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok((String::new(), Vec::new()));
        }
        let line = head.split_at(before).1.trim_end();
        let Some((name, value)) = line.split_once(':') else {
            if line.is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

impl Collector {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::new(Mutex::new(String::new()));
        let taking = (Arc::clone(&taken), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (taken, heads) = taking.clone();
                std::thread::spawn(move || take(&stream, &taken, &heads));
            }
        });
        Self { addr, taken, heads }
    }

    /// What to write into the configuration.
    pub fn config(&self) -> String {
        format!("[telemetry]\notlp_endpoint = \"http://{}\"\n", self.addr)
    }

    /// Everything that it was sent, byte for byte.
    pub fn bytes(&self) -> Vec<u8> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).concat()
    }

    /// The heads of all requests, names in lower case.
    pub fn heads(&self) -> String {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).to_lowercase()
    }

    /// All spans so far.
    ///
    /// # Panics
    /// When what it was sent is no export of spans.
    pub fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut spans = Vec::new();
        for body in taken {
            let export = ExportTraceServiceRequest::decode(&*body).expect("spans as protobuf");
            let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            spans.extend(scopes.flat_map(|scope| scope.spans));
        }
        spans
    }

    /// Waits until there are so many spans of a trace and gives them, the first one first.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn trace(&self, trace_id: &str, count: usize) -> Vec<Span> {
        eventually("the spans come", Duration::from_secs(20), || {
            let mut spans = self.spans();
            spans.retain(|span| hex(&span.trace_id) == trace_id);
            spans.sort_by_key(|span| (span.start_time_unix_nano, span.parent_span_id.len()));
            (spans.len() >= count).then_some(spans)
        })
    }
}

fn take(stream: &TcpStream, taken: &Mutex<Vec<Vec<u8>>>, heads: &Mutex<String>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (head, body) = request(&mut reader)?;
        if head.is_empty() {
            return Ok(());
        }
        heads.lock().unwrap_or_else(PoisonError::into_inner).push_str(&head);
        if head.starts_with("POST /v1/traces ") {
            taken.lock().unwrap_or_else(PoisonError::into_inner).push(body);
        }
        let mut stream = stream;
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )?;
    }
}

/// Bytes as they are written in headers.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An attribute of a span as text.
pub fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        Any::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// A way to a server that notes the heads of all requests.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// Starts one to the server at this base URL, without a path.
    ///
    /// # Panics
    /// When there is no free port, or the URL names none.
    pub fn to(url: &str) -> Self {
        let server = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let server: SocketAddr = server.parse().expect("an address");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noting = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noting = Arc::clone(&noting);
                std::thread::spawn(move || pass(&stream, server, &noting));
            }
        });
        Self { addr, heads }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The values of a header, in the order in which requests came; none where it was not there.
    pub fn header(&self, name: &str) -> Vec<Option<String>> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |head: &String| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        heads.iter().map(of).collect()
    }
}

fn pass(stream: &TcpStream, server: SocketAddr, heads: &Mutex<Vec<String>>) -> Result<()> {
    let mut onward = TcpStream::connect(server)?;
    let (mut back, mut client) = (onward.try_clone()?, stream.try_clone()?);
    std::thread::spawn(move || {
        std::io::copy(&mut back, &mut client).ok();
        client.shutdown(Shutdown::Both).ok();
    });
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (head, body) = request(&mut reader)?;
        if head.is_empty() {
            return onward.shutdown(Shutdown::Write);
        }
        heads.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
        onward.write_all(head.as_bytes())?;
        onward.write_all(&body)?;
    }
}
