//! Telling the dialects apart: what real servers and pages answer to the probes, in the order asked.

#![expect(clippy::unwrap_used, reason = "a test that is wrong should stop")]

use interline_core::adapter::{Reply, Settings};
use interline_wukongim::VENDOR;

fn reply(status: u16, body: &str) -> Option<Reply> {
    Some(Reply { status, retry_after: None, body: body.as_bytes().to_vec() })
}

/// Asks as the engine does: one probe after the other, until one decides.
fn recognised(replies: &[Option<Reply>]) -> (Option<&'static str>, usize) {
    for asked in 1..=replies.len() {
        let found = (VENDOR.recognise)(replies.get(..asked).unwrap());
        if found.is_some() {
            return (found, asked);
        }
    }
    (None, replies.len())
}

const NO_ROUTE: &str = "404 page not found";
const NO_ARRAY: &str = r#"{"msg":"json: cannot unmarshal array into Go value of type struct","status":400}"#;

#[test]
fn probes_reach_nobody() {
    let probes = (VENDOR.probes)(&Settings::new());
    let asked: Vec<(&str, &str, &[u8])> =
        probes.iter().map(|probe| (probe.method, &*probe.path, &*probe.body)).collect();
    let nothing: &[u8] = b"";
    assert_eq!(
        asked,
        [
            ("GET", "/readyz", nothing),
            ("GET", "/health", nothing),
            ("POST", "/message/sendbatch", b"[]"),
            ("GET", "/varz", nothing),
        ]
    );
}

#[test]
fn v3_is_known_by_its_readiness_ready_or_not() {
    assert_eq!(recognised(&[reply(200, r#"{"ready":true}"#)]), (Some("v3"), 1));
    assert_eq!(recognised(&[reply(503, r#"{"ready":false}"#)]), (Some("v3"), 1));
    assert_eq!(recognised(&[reply(503, r#"{"status":"not_ready"}"#)]), (Some("v3"), 1));
    assert_eq!(recognised(&[reply(503, "<html>no backend</html>")]).0, None);
    // Another server that has this path, and is stopping.
    let other = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"stopping"}"#;
    assert_eq!(recognised(&[reply(503, other)]).0, None);
}

#[test]
fn v2_is_known_by_its_health_and_its_complaint_about_the_array() {
    let v2 = |status, health| [reply(404, NO_ROUTE), reply(status, health), reply(400, NO_ARRAY)];
    assert_eq!(recognised(&v2(200, r#"{"status":"ok"}"#)), (Some("v2"), 3));
    assert_eq!(recognised(&v2(500, r#"{"message":"no slots","status":"error"}"#)), (Some("v2"), 3));
}

#[test]
fn published_is_known_by_its_answer_to_nothing_with_and_without_health() {
    let published = |health| [reply(404, NO_ROUTE), health, reply(200, "[]")];
    assert_eq!(recognised(&published(reply(404, NO_ROUTE))), (Some("published"), 3));
    assert_eq!(recognised(&published(reply(200, r#"{"status":"ok"}"#))), (Some("published"), 3));
}

#[test]
fn v1_is_known_by_its_version_or_by_having_no_health() {
    let v1 = |varz| [reply(404, NO_ROUTE), reply(404, NO_ROUTE), reply(400, NO_ARRAY), varz];
    assert_eq!(recognised(&v1(reply(200, r#"{"version":"v1.2.6"}"#))), (Some("v1"), 4));
    assert_eq!(recognised(&v1(reply(404, NO_ROUTE))), (Some("v1"), 4));
    assert_eq!(recognised(&v1(reply(200, r#"{"version":"v2.0.1"}"#))), (Some("v2"), 4));
}

#[test]
fn a_locked_or_silent_server_stays_unknown() {
    assert_eq!(recognised(&[reply(401, ""), reply(401, ""), reply(401, ""), reply(401, "")]).0, None);
    assert_eq!(recognised(&[None, None, None, None]).0, None);
    let other = || reply(200, "<html>hello</html>");
    assert_eq!(recognised(&[other(), other(), other(), other()]).0, None);
}

#[test]
fn one_lost_answer_is_made_up_for_by_the_version() {
    let health = reply(200, r#"{"status":"ok"}"#);
    let varz = reply(200, r#"{"version":"v2.2.5-20260422"}"#);
    assert_eq!(
        recognised(&[reply(404, NO_ROUTE), None, reply(400, NO_ARRAY), varz.clone()]),
        (Some("v2"), 4)
    );
    // Whether it speaks as the page does is not known without an answer to the array.
    assert_eq!(recognised(&[reply(404, NO_ROUTE), health, None, varz]).0, None);
}
