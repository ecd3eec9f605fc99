//! Request bodies: read within limits of size and of silence. Nothing here knows what a body says.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use interline_engine::Errors;
use tokio::time::timeout;

use crate::problem::{Code, Problem};

/// How long a sender may be silent in the middle of a body.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

/// How long the rest of a body that is too large is read, so that its sender gets to the answer.
const DRAIN: Duration = Duration::from_secs(2);

/// The limits of bodies, as the configuration gives them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_body_mb: u64,
    pub(crate) max_line_kb: u64,
}

impl Limits {
    pub(crate) fn body(self) -> usize {
        usize::try_from(self.max_body_mb.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
    }

    pub(crate) fn line(self) -> usize {
        usize::try_from(self.max_line_kb.saturating_mul(1 << 10)).unwrap_or(usize::MAX)
    }

    fn words(self) -> String {
        format!(
            "a JSON body may have server.max_body_mb = {} MiB, a line of NDJSON server.max_line_kb = {} KiB \
             (POST /v1/batches takes application/x-ndjson of any length)",
            self.max_body_mb, self.max_line_kb
        )
    }

    pub(crate) fn line_too_large(self, number: u64) -> Problem {
        Problem::too_large(format!("line {number} is too long: {}", self.words()))
    }
}

/// The next piece of a body; none at its end.
pub(crate) async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = match timeout(IDLE, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "body broke off");
                return Err(Problem::new(Code::BrokenBody, "the body broke off"));
            }
            Err(_) => {
                let detail = format!("nothing of the body came for {} seconds", IDLE.as_secs());
                return Err(Problem::new(Code::IdleBody, detail));
            }
        };
        if let Ok(piece) = frame.into_data() {
            return Ok(Some(piece));
        }
    }
}

/// A whole body of at most `max_body_mb`. One that came in one piece is not copied.
pub(crate) async fn whole(mut body: Body, headers: &HeaderMap, limits: Limits) -> Result<Bytes, Problem> {
    let most = limits.body();
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > most) {
        return too_large(body, limits).await;
    }
    let Some(first) = next_piece(&mut body).await? else { return Ok(Bytes::new()) };
    let Some(second) = next_piece(&mut body).await? else {
        return if first.len() > most { too_large(body, limits).await } else { Ok(first) };
    };
    let mut all = BytesMut::with_capacity(told.unwrap_or_default().max(first.len() + second.len()));
    all.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(piece) = next {
        if all.len() + piece.len() > most {
            return too_large(body, limits).await;
        }
        all.extend_from_slice(&piece);
        next = next_piece(&mut body).await?;
    }
    Ok(all.freeze())
}

async fn too_large(body: Body, limits: Limits) -> Result<Bytes, Problem> {
    drain(body).await;
    Err(Problem::too_large(format!("the body is too large: {}", limits.words())))
}

/// Reads on for a while without keeping anything: who is still writing hears no answer.
pub(crate) async fn drain(mut body: Body) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    if timeout(DRAIN, rest).await.is_err() {
        tracing::debug!("gave up reading the rest of a refused body");
    }
}

/// The text of a body.
pub(crate) fn text(body: &Bytes) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        let detail = format!("not UTF-8 at byte {}", error.valid_up_to());
        Problem::invalid("the body is no JSON", Errors::one("", detail))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_body_mb: 1, max_line_kb: 1 };

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> =
            sizes.iter().map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; *size]))).collect();
        Body::from_stream(futures_util::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_taken() {
        for sizes in [&[1 << 20][..], &[1 << 19, 1 << 19], &[1, (1 << 20) - 1]] {
            let body = whole(pieces(sizes), &HeaderMap::new(), LIMITS).await.unwrap();
            assert_eq!(body.len(), 1 << 20);
        }
    }

    #[tokio::test]
    async fn one_byte_more_is_refused_and_both_limits_are_named() {
        let told = HeaderMap::from_iter([(CONTENT_LENGTH, ((1 << 20) + 1).into())]);
        for (sizes, headers) in
            [(&[(1 << 20) + 1][..], HeaderMap::new()), (&[1 << 20, 1], HeaderMap::new()), (&[], told)]
        {
            let problem = whole(pieces(sizes), &headers, LIMITS).await.unwrap_err();
            assert_eq!(problem.status(), 413);
            let text = format!("{problem:?}");
            assert!(text.contains("max_body_mb = 1 ") && text.contains("max_line_kb = 1 "), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_sender_is_left_after_a_minute() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = whole(body, &HeaderMap::new(), LIMITS).await.unwrap_err();
        assert_eq!(problem.status(), 408);
    }
}
