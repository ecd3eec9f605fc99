//! For tests: a gateway in front of emulated vendors, from the listener on, and a client that asks it over HTTP.
//! What it is configured with is said where it is tested.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use interline_twins::Twins;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::Server;
use crate::config::Config;

/// A gateway in front of twins.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) twins: Twins,
    /// Ends it when dropped.
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) run: JoinHandle<()>,
    pub(crate) folder: TempDir,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)));
        body
    }
}

impl House {
    /// Serves until it is closed. The folder holds what the configuration names.
    pub(crate) async fn serve(config: Config, twins: Twins, folder: TempDir) -> Self {
        let server = Server::bind(config).await.unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = tokio::spawn(server.run(async { drop(stopped.await) }));
        Self { address, twins, stop: Some(stop), run, folder }
    }

    /// Asks at one of its addresses: method and path, headers, body.
    pub(crate) async fn ask_at(
        &self,
        address: SocketAddr,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async { drop(connection.await) });
        let mut request = http::Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) async fn ask(&self, line: (&str, &str), headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask_at(self.address, line, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(("GET", path), &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.ask(("POST", path), headers, &body.to_string()).await
    }

    pub(crate) async fn close(mut self) {
        drop(self.stop.take());
        (&mut self.run).await.unwrap();
    }
}
