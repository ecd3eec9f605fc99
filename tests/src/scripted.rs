//! A vendor server that answers whatever it is told to, byte for byte. It reads each request to its end
//! and knows nothing of any vendor.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the server answers: given a path, the bytes to write before the connection ends.
type Script = Box<dyn Fn(&str) -> Vec<u8> + Send>;

struct Shared {
    script: Mutex<Script>,
    requests: AtomicU64,
    over: AtomicBool,
}

/// The server; it ends with its owner.
pub struct Scripted {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Scripted {
    /// A server that answers every request with what `script` gives.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(script: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let script: Script = Box::new(script);
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            requests: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.over.load(Ordering::Relaxed) {
                    return;
                }
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || stream.and_then(|stream| answer(&serving, stream)));
            }
        });
        Self { addr, shared }
    }

    /// Answers with something else from now on.
    pub fn answer_with(&self, script: impl Fn(&str) -> Vec<u8> + Send + 'static) {
        *self.shared.script.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(script);
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many requests it has read.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// A whole HTTP answer.
    pub fn http(status: u16, kind: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
            .into_bytes()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // One more connection, so that the loop looks.
        TcpStream::connect(self.addr).ok();
    }
}

fn answer(shared: &Shared, mut stream: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if path.is_empty() {
        return Ok(());
    }
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let bytes = shared.script.lock().unwrap_or_else(PoisonError::into_inner)(&path);
    stream.write_all(&bytes)?;
    stream.flush()
}
