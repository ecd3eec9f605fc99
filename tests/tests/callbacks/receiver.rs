//! Receivers: one that keeps what it gets and answers as told, and one with a certificate that nobody vouches for.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use interline_tests::eventually;
use serde_json::Value;

use crate::SOON;

/// A request that a receiver got.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Hook {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a callback is JSON")
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// What a receiver answers: a status with headers, or nothing until it hangs up.
pub(crate) enum Reply {
    Status(String),
    Silence,
}

type Answering = Box<dyn FnMut(&Hook) -> Reply + Send>;

/// A receiver that keeps what it gets.
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    kept: Arc<Kept>,
}

struct Kept {
    hooks: Mutex<Vec<Hook>>,
    answering: Mutex<Answering>,
    /// Connections that are not answered.
    silent: Mutex<Vec<TcpStream>>,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn ok() -> Reply {
    status("200 OK")
}

pub(crate) fn status(text: &str) -> Reply {
    Reply::Status(text.to_owned())
}

impl Receiver {
    pub(crate) fn start(answering: impl FnMut(&Hook) -> Reply + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a free port"), answering)
    }

    pub(crate) fn on(listener: TcpListener, answering: impl FnMut(&Hook) -> Reply + Send + 'static) -> Self {
        let addr = listener.local_addr().expect("an address");
        let answering = Mutex::new(Box::new(answering) as Answering);
        let kept = Arc::new(Kept { hooks: Mutex::default(), answering, silent: Mutex::default() });
        let keeping = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&keeping);
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { addr, kept }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?token=canary-in-the-query", self.addr)
    }

    pub(crate) fn hooks(&self) -> Vec<Hook> {
        locked(&self.kept.hooks).clone()
    }

    pub(crate) fn now_answers(&self, answering: impl FnMut(&Hook) -> Reply + Send + 'static) {
        *locked(&self.kept.answering) = Box::new(answering);
    }

    /// Ends the connections that are not answered.
    pub(crate) fn hangs_up(&self) {
        locked(&self.kept.silent)
            .drain(..)
            .for_each(|stream| stream.shutdown(Shutdown::Both).expect("it is open"));
    }

    #[track_caller]
    pub(crate) fn gets(&self, count: usize) -> Vec<Hook> {
        eventually(&format!("{count} callbacks arrive"), SOON, || {
            let hooks = self.hooks();
            (hooks.len() >= count).then_some(hooks)
        })
    }
}

/// Reads one request and answers it, or keeps its connection.
fn answer(stream: TcpStream, kept: &Kept) -> Option<()> {
    stream.set_read_timeout(Some(SOON)).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let hook = Hook { headers, body, at: Instant::now() };
    let reply = locked(&kept.answering)(&hook);
    let Reply::Status(status) = reply else {
        locked(&kept.silent).push(stream);
        locked(&kept.hooks).push(hook);
        return None;
    };
    locked(&kept.hooks).push(hook);
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    (&stream).write_all(text.as_bytes()).ok()
}

/// A server with a certificate that nobody vouches for.
pub(crate) struct Tls {
    child: Child,
    pub(crate) port: u16,
}

impl Tls {
    pub(crate) fn start() -> Self {
        let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/callbacks/self-signed.pem");
        let code = "import http.server, ssl, sys\n\
            server = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)\n\
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
            context.load_cert_chain(sys.argv[1])\n\
            server.socket = context.wrap_socket(server.socket, server_side=True)\n\
            print(server.server_address[1], flush=True)\n\
            server.serve_forever()";
        let mut child = Command::new("python3")
            .args(["-c", code, certificate])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3: install it");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("an output");
        BufReader::new(stdout).read_line(&mut line).expect("a port");
        Self { child, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
