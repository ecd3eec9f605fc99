//! NDJSON and CSV on their way to the server, in pieces: memory does not grow with the file.
//!
//! A thread reads and converts, a bounded channel carries the pieces, the connection takes them as
//! fast as it can. A bad row breaks the upload off, and the server forgets what it had of it.

use std::io::{BufRead as _, BufReader, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::csv::{Head, Rows};
use super::source::{Source, unreadable};
use crate::args::{Format, Input};
use crate::client::{Body, BodyError};
use crate::output::Failed;

/// Size of a piece.
const PIECE: usize = 64 * 1024;
/// Pieces that may wait.
const WAITING: usize = 4;

/// How much has left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    bytes: Arc<AtomicU64>,
    messages: Arc<AtomicU64>,
}

impl Sent {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }
}

/// An upload that was begun.
#[derive(Debug)]
pub(crate) struct Upload {
    /// What the request carries.
    pub(crate) body: Body,
    /// How far it is.
    pub(crate) sent: Sent,
    /// Ends with the reading: an error says what is wrong with the source.
    pub(crate) reading: JoinHandle<Result<(), Failed>>,
}

/// Begins to read `source`; `at_end` is called before the last of it goes.
pub(crate) fn begin(
    source: &mut Source,
    input: &Input,
    at_end: impl FnOnce() + Send + 'static,
) -> Result<Upload, Failed> {
    let reader = source.open()?;
    let name = source.name.clone();
    let sent = Sent::default();
    let (sender, receiver) = mpsc::channel(WAITING);
    let at_end = Box::new(at_end);
    let out = Out { sender, sent: sent.clone(), piece: Vec::with_capacity(PIECE), at_end };
    let reading = if source.format == Format::Csv {
        let rows = Rows::of(&name, Counted { reader, bytes: Arc::clone(&sent.bytes) })?;
        let head = head_for(&rows, &name, input)?;
        tokio::task::spawn_blocking(move || out.rows(rows, &head))
    } else {
        let reader = Counted { reader, bytes: Arc::clone(&sent.bytes) };
        tokio::task::spawn_blocking(move || out.lines(reader, &name))
    };
    Ok(Upload { body: Pieces { receiver }.boxed_unsync(), sent, reading })
}

/// The head for a table, checked against its columns.
pub(crate) fn head_for<R: Read>(rows: &Rows<R>, name: &str, input: &Input) -> Result<Head, Failed> {
    let variables = rows.variables();
    let head = Head::of(input, &variables)?;
    head.fits(name, &variables)?;
    Ok(head)
}

/// Reads a whole table once and sends nothing: the first bad row is the error.
pub(crate) fn check_rows(source: &mut Source, input: &Input) -> Result<(), Failed> {
    let mut rows = Rows::of(&source.name.clone(), source.open()?)?;
    head_for(&rows, &source.name, input)?;
    while rows.next_line()?.is_some() {}
    Ok(())
}

struct Counted<R> {
    reader: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

struct Out {
    sender: mpsc::Sender<Result<Bytes, BodyError>>,
    sent: Sent,
    piece: Vec<u8>,
    at_end: Box<dyn FnOnce() + Send>,
}

impl Out {
    /// Sends NDJSON as it stands.
    fn lines(mut self, reader: impl Read, name: &str) -> Result<(), Failed> {
        let mut reader = BufReader::with_capacity(PIECE, reader);
        let mut lines = 0_u64;
        loop {
            let seen = match reader.fill_buf() {
                Ok(seen) => seen,
                Err(error) => return self.broken(unreadable(name, &error)),
            };
            if seen.is_empty() {
                self.end();
                return Ok(());
            }
            lines += seen.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.sent.messages.store(lines.saturating_sub(1), Ordering::Relaxed);
            self.piece.extend_from_slice(seen);
            let count = seen.len();
            reader.consume(count);
            if !self.flush() {
                return Ok(());
            }
        }
    }

    /// Sends the head and each row as a line.
    fn rows(mut self, mut rows: Rows<impl Read>, head: &Head) -> Result<(), Failed> {
        self.piece.extend_from_slice(head.line.as_bytes());
        self.piece.push(b'\n');
        loop {
            let line = match rows.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => {
                    self.end();
                    return Ok(());
                }
                Err(failed) => return self.broken(failed),
            };
            self.piece.extend_from_slice(line.as_bytes());
            self.piece.push(b'\n');
            self.sent.messages.fetch_add(1, Ordering::Relaxed);
            if self.piece.len() >= PIECE && !self.flush() {
                return Ok(());
            }
        }
    }

    /// Hands the piece on; false when nobody takes it any more.
    fn flush(&mut self) -> bool {
        if self.piece.is_empty() {
            return true;
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.sender.blocking_send(Ok(Bytes::from(piece))).is_ok()
    }

    /// The body ends with this, and not before.
    fn end(mut self) {
        std::mem::replace(&mut self.at_end, Box::new(|| ()))();
        self.flush();
    }

    fn broken(self, failed: Failed) -> Result<(), Failed> {
        self.sender.blocking_send(Err("the source cannot be read to its end".into())).ok();
        Err(failed)
    }
}

struct Pieces {
    receiver: mpsc::Receiver<Result<Bytes, BodyError>>,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.receiver.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
