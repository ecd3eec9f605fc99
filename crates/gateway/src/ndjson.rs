//! NDJSON bodies: the batch on the first line, then a message a line. Lines are handed to the engine as
//! they come, so memory holds one line and no more. Whatever ends early leaves nothing behind.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use interline_engine::{Accepted, Engine, Errors, Upload};

use crate::body::{Limits, drain, next_piece};
use crate::keys::Known;
use crate::problem::Problem;

/// Cuts pieces of a body into lines. A line that lies within one piece is not copied.
#[derive(Debug)]
struct Lines {
    limits: Limits,
    begun: BytesMut,
    number: u64,
}

impl Lines {
    fn new(limits: Limits) -> Self {
        Self { limits, begun: BytesMut::new(), number: 0 }
    }

    /// The next whole line of `piece`, which loses it; none when the piece holds no more line ends.
    fn cut(&mut self, piece: &mut Bytes) -> Result<Option<Bytes>, Problem> {
        let end = piece.iter().position(|byte| *byte == b'\n');
        let part = piece.split_to(end.unwrap_or(piece.len()));
        if self.begun.len() + part.len() > self.limits.line() {
            return Err(self.limits.line_too_large(self.number + 1));
        }
        if end.is_none() {
            self.begun.extend_from_slice(&part);
            return Ok(None);
        }
        *piece = piece.split_off(1);
        self.number += 1;
        if self.begun.is_empty() {
            return Ok(Some(part));
        }
        self.begun.extend_from_slice(&part);
        Ok(Some(self.begun.split().freeze()))
    }

    /// The last line, where no line end stood behind it.
    fn rest(&mut self) -> Option<Bytes> {
        self.number += 1;
        (!self.begun.is_empty()).then(|| self.begun.split().freeze())
    }

    fn text<'l>(&self, line: &'l Bytes) -> Result<&'l str, Problem> {
        let text = std::str::from_utf8(line).map_err(|error| {
            let path = format!("line {}", self.number);
            let detail = format!("not UTF-8 at byte {}", error.valid_up_to());
            Problem::invalid("a line is no JSON", Errors::one(&path, detail))
        })?;
        Ok(text.strip_suffix('\r').unwrap_or(text))
    }
}

/// Takes an upload to its end. Runs as a task of its own: it must outlive a caller that goes away, to
/// discard what was staged.
pub(crate) async fn take(
    engine: Engine,
    app: std::sync::Arc<Known>,
    (mut body, limits): (Body, Limits),
    key: Option<String>,
) -> Result<Accepted, Problem> {
    let mut lines = Lines::new(limits);
    let mut open = Open { engine, app, key, upload: None, charged: 0 };
    let fed = feed(&mut lines, &mut body, &mut open).await;
    let Open { upload, app, charged, .. } = open;
    let result = match (fed, upload) {
        (Ok(()), Some(upload)) => upload.finish().await.map_err(Problem::from),
        (Ok(()), None) => {
            let detail = "the first line has to be the batch without its messages; the body is empty";
            Err(Problem::invalid("there is no batch", Errors::one("line 1", detail)))
        }
        (Err(problem), upload) => {
            if let Some(upload) = upload {
                upload.discard().await;
            }
            Err(problem)
        }
    };
    if let Some(admission) = &app.admission
        && result.as_ref().map_or(true, |accepted| accepted.replayed)
    {
        admission.give_back(charged);
    }
    if result.is_err() {
        drain(body).await;
    }
    result
}

struct Open {
    engine: Engine,
    app: std::sync::Arc<Known>,
    key: Option<String>,
    upload: Option<Upload>,
    /// Lines that the app's rate was charged for.
    charged: u64,
}

impl Open {
    async fn line(&mut self, text: &str) -> Result<(), Problem> {
        if let Some(upload) = &mut self.upload {
            // An empty line is no message.
            if let Some(admission) = self.app.admission.as_ref().filter(|_| !text.trim().is_empty()) {
                admission.charge(1);
                self.charged += 1;
            }
            return Ok(upload.line(text).await?);
        }
        self.upload = Some(self.engine.upload(&self.app.caller, text, self.key.as_deref()).await?);
        Ok(())
    }
}

async fn feed(lines: &mut Lines, body: &mut Body, open: &mut Open) -> Result<(), Problem> {
    while let Some(mut piece) = next_piece(body).await? {
        while let Some(line) = lines.cut(&mut piece)? {
            open.line(lines.text(&line)?).await?;
        }
    }
    if let Some(line) = lines.rest() {
        open.line(lines.text(&line)?).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Result<Vec<String>, Problem> {
        let mut lines = Lines::new(Limits { max_body_mb: 1, max_line_kb: 1 });
        let mut found = Vec::new();
        for piece in pieces {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(line) = lines.cut(&mut piece)? {
                found.push(lines.text(&line)?.to_owned());
            }
        }
        if let Some(line) = lines.rest() {
            found.push(lines.text(&line)?.to_owned());
        }
        Ok(found)
    }

    #[test]
    fn lines_are_the_same_however_the_body_is_cut() {
        let text = "{\"a\":\"é\"}\n\n{\"b\":1}\r\nlast".as_bytes();
        let whole = cut(&[text]).unwrap();
        assert_eq!(whole, ["{\"a\":\"é\"}", "", "{\"b\":1}", "last"]);
        for size in 1..text.len() {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(cut(&pieces).unwrap(), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_with_its_number() {
        let long = vec![b'x'; 1_025];
        for pieces in [vec![&b"{}\n"[..], &long], vec![b"{}\n", &long[..600], &long[600..]]] {
            let problem = cut(&pieces).unwrap_err();
            assert_eq!(problem.status(), 413);
            assert!(format!("{problem:?}").contains("line 2"), "{problem:?}");
        }
        assert!(cut(&[&long[..1_024], b"\n"]).is_ok());
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        let problem = cut(&[b"{}\n", b"\xff\n"]).unwrap_err();
        assert!(format!("{problem:?}").contains("line 2"), "{problem:?}");
    }
}
