//! A caller with no cleverness at all: one TCP connection, HTTP/1.1 by hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Twin, TwinsConfig, Vendor};

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) async fn twin(vendor: Vendor, dialect: &str) -> Twin {
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    Twin::start_with(&TwinsConfig::ephemeral().dialect(vendor, dialect), vendor, addr).await.unwrap()
}

pub(crate) struct Line(pub(crate) TcpStream);

impl Line {
    pub(crate) async fn open(twin: &Twin) -> std::io::Result<Self> {
        TcpStream::connect(twin.addr()).await.map(Self)
    }

    pub(crate) async fn write(&mut self, target: &str, headers: &str, body: &[u8]) {
        let length = body.len();
        let head = format!("{target} HTTP/1.1\r\nhost: twin\r\ncontent-length: {length}\r\n{headers}\r\n");
        let whole = [head.as_bytes(), body].concat();
        self.0.write_all(&whole).await.unwrap();
    }

    /// Reads one answer; none if the connection ends before it is whole.
    pub(crate) async fn read(&mut self) -> Option<Reply> {
        let reading = self.read_answer();
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer in time")
    }

    async fn read_answer(&mut self) -> Option<Reply> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.0.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        while bytes.len() < head_end + length {
            if self.0.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        Some(Reply { status, headers, body: bytes[head_end..head_end + length].to_vec() })
    }
}

pub(crate) async fn request(twin: &Twin, target: &str, headers: &str, body: &str) -> Reply {
    let mut line = Line::open(twin).await.unwrap();
    line.write(target, headers, body.as_bytes()).await;
    line.read().await.expect("a whole answer")
}

pub(crate) async fn get(twin: &Twin, path: &str) -> Reply {
    request(twin, &format!("GET {path}"), "", "").await
}

pub(crate) async fn post(twin: &Twin, path: &str, body: &str) -> Reply {
    request(twin, &format!("POST {path}"), "", body).await
}

/// The four headers of NetEase, signed `ahead` seconds from now.
pub(crate) fn signed(ahead: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let cur_time = now.checked_add_signed(ahead).unwrap();
    let digest = Sha1::digest(format!("twin-app-secret1{cur_time}"));
    let checksum = hex::encode(digest);
    format!(
        "AppKey: twin-app-key\r\nNonce: 1\r\nCurTime: {cur_time}\r\nCheckSum: {checksum}\r\n\
         content-type: application/x-www-form-urlencoded;charset=utf-8\r\n"
    )
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
