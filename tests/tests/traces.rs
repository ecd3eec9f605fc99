//! One trace from a caller's request over the lane to the vendor's server: in headers on both sides, in the
//! ledger in between, and at a collector. A collector that is not there is nobody's trouble.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use interline_tests::{Collector, Place, Relay, Server, Stage, attribute, config, eventually, hex};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

const SECONDS: Duration = Duration::from_secs(20);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn parent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{CALLER}-{flags}")
}

fn stage() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited())
}

/// Everything goes to `WuKongIM`, which takes different messages in one call.
fn through(relay: &Relay, more: &str) -> String {
    config::wukongim("wk", &relay.url(), "published", "") + &config::route("all", "", "wk") + more
}

fn batch(to: &str) -> Value {
    json!({"messages": [{"to": format!("user:{to}"), "content": {"type": "text", "text": "hi"}}]})
}

/// A trace as a tree, as people read it.
fn tree(spans: &[Span], parent: &[u8], depth: usize, out: &mut String) {
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        let took = (span.end_time_unix_nano - span.start_time_unix_nano) as f64 / 1e6;
        let events: Vec<&str> = span.events.iter().map(|event| event.name.as_str()).collect();
        let attributes: Vec<String> = span
            .attributes
            .iter()
            .map(|one| format!("{}={}", one.key, attribute(span, &one.key).unwrap_or_default()))
            .collect();
        let indent = "   ".repeat(depth);
        writeln!(out, "{indent}└─ {} [{took:.2} ms] {} {events:?}", span.name, attributes.join(" "))
            .expect("text");
        tree(spans, &span.span_id, depth + 1, out);
    }
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|span| span.name == name).expect(name)
}

#[test]
fn a_message_through_a_facade_is_one_trace_from_its_caller_to_the_vendor() {
    let (stage, collector) = (stage(), Collector::start());
    let relay = Relay::to(&stage.wukongim().url());
    let facade = "[[facades]]\nname = \"legacy\"\nvendor = \"imkit\"\napi_key = \"app-key\"\n";
    let place = Place::new(&through(&relay, &format!("{facade}{}", collector.config())));
    let server = place.try_serve(&[("INTERLINE_LOG", "debug")]).expect("it starts");
    let body = json!({"message": "hi", "messageType": "text", "sender": "shop", "push": true,
        "paras": [{"receiver": "alice"}]});
    let app = server.with("im-api-key", "app-key");
    let app = app.with("traceparent", &parent(TRACE, "01")).with("tracestate", "shop=1");
    app.post("/messages/batch", &body).of(200);
    let spans = collector.trace(TRACE, 3);
    let mut text = format!("trace {TRACE}, from the caller's span {CALLER}\n");
    let caller = u64::from_str_radix(CALLER, 16).expect("hex").to_be_bytes().to_vec();
    tree(&spans, &caller, 0, &mut text);
    println!("{text}");
    assert_eq!(spans.len(), 3, "{text}");
    let (request, lane) = (named(&spans, "facade:legacy"), named(&spans, "lane wk"));
    let call = named(&spans, "call wk");
    assert_eq!(hex(&request.parent_span_id), CALLER, "{text}");
    assert_eq!(lane.parent_span_id, request.span_id, "{text}");
    assert_eq!(call.parent_span_id, lane.span_id, "{text}");
    assert!(lane.end_time_unix_nano <= call.start_time_unix_nano, "{text}");
    let expected = [
        ("interline.provider", "wk"),
        ("interline.vendor", "wukongim"),
        ("interline.quota_class", "sendbatch"),
        ("interline.messages", "1"),
        ("interline.attempt", "1"),
        ("interline.accepted", "1"),
        ("http.response.status_code", "200"),
    ];
    for (name, value) in expected {
        assert_eq!(attribute(call, name).as_deref(), Some(value), "{name}: {text}");
    }
    let heard = relay.header("traceparent").into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(heard, [format!("00-{TRACE}-{}-01", hex(&call.span_id))], "the twin heard of the call's span");
    assert_eq!(relay.header("tracestate").into_iter().flatten().collect::<Vec<_>>(), ["shop=1"]);
    assert!(server.log().contains(TRACE), "log lines name the trace");
}

#[test]
fn a_login_and_the_question_after_a_message_stand_in_the_messages_trace() {
    let (stage, collector) = (stage(), Collector::start());
    let relay = Relay::to(&stage.openim().url());
    let more = config::openim("oim", &relay.url(), "v3.8.3", "") + &config::route("all", "", "oim");
    let server = Place::new(&(more + &collector.config())).serve();
    // It arrives, and its answer does not.
    stage.openim().set_fault(Fault::new(FaultKind::CloseAfterRead).times(1));
    let traced = server.with("traceparent", &parent(TRACE, "01"));
    let sent = traced.post("/v1/send", &batch("alice")).of(200);
    assert_eq!(sent["counts"]["accepted"], 1, "{sent}");
    let spans = collector.trace(TRACE, 5);
    let mut text = String::new();
    tree(&spans, &u64::from_str_radix(CALLER, 16).expect("hex").to_be_bytes(), 0, &mut text);
    println!("{text}");
    let (request, lane) = (named(&spans, "POST /v1/send"), named(&spans, "lane oim"));
    let (login, call, lookup) =
        (named(&spans, "login oim"), named(&spans, "call oim"), named(&spans, "lookup oim"));
    assert_eq!(login.parent_span_id, lane.span_id, "{text}");
    assert_eq!(call.parent_span_id, lane.span_id, "{text}");
    assert_eq!(lookup.parent_span_id, request.span_id, "{text}");
    for span in [login, lookup] {
        assert_eq!(attribute(span, "http.response.status_code").as_deref(), Some("200"), "{text}");
        assert_eq!(attribute(span, "interline.vendor").as_deref(), Some("openim"), "{text}");
    }
    assert_eq!(attribute(call, "error.type").as_deref(), Some("connection_lost"), "{text}");
    let heard = relay.header("traceparent").into_iter().flatten().collect::<Vec<_>>();
    let told = |span: &Span| format!("00-{TRACE}-{}-01", hex(&span.span_id));
    assert_eq!(heard, [told(login), told(call), told(lookup)], "the server goes on with each");
    assert!(!text.contains("alice") && !text.contains(config::SECRETS[0]), "{text}");
}

#[test]
fn what_is_passed_on_is_a_child_of_its_request_and_names_no_path() {
    let (stage, collector) = (stage(), Collector::start());
    let relay = Relay::to(&stage.imkit().url());
    let facade =
        "[[facades]]\nname = \"legacy\"\nvendor = \"imkit\"\napi_key = \"app-key\"\npassthrough = \"kit\"\n";
    let more = config::imkit("kit", &relay.url(), "") + &config::route("all", "", "kit") + facade;
    let server = Place::new(&(more + &collector.config())).serve();
    let app = server.with("im-api-key", "app-key").with("traceparent", &parent(TRACE, "01"));
    let status = app.get("/rooms/canary-room?member=canary").status;
    let spans = collector.trace(TRACE, 2);
    let pass = named(&spans, "pass kit");
    let request = spans.iter().find(|span| hex(&span.parent_span_id) == CALLER).expect("the request");
    assert_eq!(pass.parent_span_id, request.span_id, "{spans:?}");
    assert_eq!(attribute(pass, "http.response.status_code"), Some(status.to_string()), "{pass:?}");
    assert!(!format!("{spans:?}").contains("canary"), "{spans:?}");
    let heard = relay.header("traceparent").into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(heard, [format!("00-{TRACE}-{}-01", hex(&pass.span_id))]);
}

#[test]
fn what_is_sent_later_by_another_process_belongs_to_the_request_that_stored_it() {
    let (stage, collector) = (stage(), Collector::start());
    let relay = Relay::to(&stage.wukongim().url());
    let place = Place::new(&through(&relay, &collector.config()));
    let server = place.serve();
    server.post("/v1/providers/wk/pause", &json!({})).of(200);
    let traced = server.with("traceparent", &parent(TRACE, "01"));
    let id = traced.post("/v1/batches", &batch("alice")).of(202)["id"].as_str().expect("an id").to_owned();
    assert_eq!(server.batch(&id)["trace_id"], TRACE, "whoever named no trace finds the request's");
    server.kill();
    stage.wukongim().set_fault(Fault::new(FaultKind::Status).value(400).times(1));
    let server = place.serve();
    server.post("/v1/providers/wk/resume", &json!({})).of(200);
    server.settled(&id, SECONDS);
    // The request's own span may have died with its process.
    let spans = eventually("the call's span comes", SECONDS, || {
        let spans = collector.trace(TRACE, 2);
        spans.iter().any(|span| span.name == "call wk").then_some(spans)
    });
    assert_eq!(named(&spans, "call wk").parent_span_id, named(&spans, "lane wk").span_id);
    // It is sent again as part of the request that asks for it.
    let other = "a".repeat(32);
    let asks = server.with("traceparent", &parent(&other, "01"));
    let again = asks.post(&format!("/v1/batches/{id}/redrive"), &json!({"status": ["rejected"]})).of(202);
    let again = again["id"].as_str().expect("an id").to_owned();
    server.settled(&again, SECONDS);
    assert_eq!(server.batch(&again)["trace_id"], *other);
}

#[test]
fn a_call_with_messages_of_several_batches_is_linked_with_each() {
    let (stage, collector) = (stage(), Collector::start());
    let relay = Relay::to(&stage.wukongim().url());
    let server = Place::new(&through(&relay, &collector.config())).serve();
    server.post("/v1/providers/wk/pause", &json!({})).of(200);
    let traces = ["a".repeat(32), "b".repeat(32)];
    let ids: Vec<String> = (traces.iter())
        .map(|trace| {
            let traced = server.with("traceparent", &parent(trace, "01"));
            traced.post("/v1/batches", &batch("alice")).of(202)["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    server.post("/v1/providers/wk/resume", &json!({})).of(200);
    ids.iter().for_each(|id| drop(server.settled(id, SECONDS)));
    let calls_of = |spans: &[Vec<Span>]| spans.iter().flatten().filter(|span| span.name == "call wk").count();
    let lanes_of = |spans: &[Vec<Span>]| spans.iter().flatten().filter(|span| span.name == "lane wk").count();
    // Two calls where the first one left before the second batch was claimed.
    let made = usize::try_from(stage.wukongim().calls()).unwrap_or_default();
    let spans = eventually("all spans come", SECONDS, || {
        let spans: Vec<Vec<Span>> = traces.iter().map(|trace| collector.trace(trace, 2)).collect();
        (calls_of(&spans) == made && lanes_of(&spans) == 2).then_some(spans)
    });
    let calls = spans.iter().flatten().filter(|span| span.name == "call wk").collect::<Vec<_>>();
    let lanes = spans.iter().flatten().filter(|span| span.name == "lane wk").collect::<Vec<_>>();
    assert_eq!(lanes.len(), 2, "each batch waited");
    match *calls {
        [call] => {
            let other = lanes.iter().find(|lane| lane.trace_id != call.trace_id).expect("the other batch's");
            assert!(call.links.iter().any(|link| link.span_id == other.span_id), "{call:?}");
            assert!(other.links.iter().any(|link| link.span_id == call.span_id), "{other:?}");
        }
        // The first one may have left before the second was claimed.
        _ => assert_eq!(calls.len(), 2),
    }
}

#[test]
fn without_a_collector_in_the_configuration_there_are_no_traces() {
    let stage = stage();
    let relay = Relay::to(&stage.wukongim().url());
    let server = Place::new(&through(&relay, "")).serve();
    let traced = server.with("traceparent", &parent(TRACE, "01"));
    traced.post("/v1/send", &batch("alice")).of(200);
    assert!(relay.header("traceparent").iter().all(Option::is_none));
}

#[test]
fn who_is_not_sampled_is_not_exported_and_the_vendor_hears_of_it_all_the_same() {
    let (stage, collector) = (stage(), Collector::start());
    let relay = Relay::to(&stage.wukongim().url());
    let server =
        Place::new(&through(&relay, &format!("{}headers = {{ x-team = \"im\" }}\n", collector.config())))
            .serve();
    let traced = |flags: &str, trace: &str| {
        server.with("traceparent", &parent(trace, flags)).post("/v1/send", &batch("alice")).of(200);
    };
    traced("00", TRACE);
    let sampled = "c".repeat(32);
    traced("01", &sampled);
    collector.trace(&sampled, 3);
    assert!(collector.spans().iter().all(|span| hex(&span.trace_id) != TRACE));
    let first = relay.header("traceparent").into_iter().flatten().next().expect("a header");
    assert!(first.starts_with(&format!("00-{TRACE}-")) && first.ends_with("-00"), "{first}");
    assert!(collector.heads().contains("x-team: im\r\n"), "{}", collector.heads());
}

#[test]
fn a_part_of_the_traces_that_begin_here_is_kept() {
    let (stage, collector) = (stage(), Collector::start());
    let relay = Relay::to(&stage.wukongim().url());
    let server = Place::new(&through(&relay, &format!("{}sample = 0.0\n", collector.config()))).serve();
    server.post("/v1/send", &batch("alice")).of(200);
    // What a caller began follows the caller.
    server.with("traceparent", &parent(TRACE, "01")).post("/v1/send", &batch("bob")).of(200);
    collector.trace(TRACE, 3);
    assert!(collector.spans().iter().all(|span| hex(&span.trace_id) == TRACE));
}

#[test]
fn the_log_is_written_as_the_configuration_says() {
    let stage = stage();
    let relay = Relay::to(&stage.wukongim().url());
    let place = Place::new(&through(&relay, "[log]\nformat = \"json\"\nlevel = \"debug\"\n"));
    // An empty variable says nothing.
    let server = place.try_serve(&[("INTERLINE_LOG", "")]).expect("it starts");
    server.post("/v1/send", &batch("alice")).of(200);
    let call = eventually("the call is told of", SECONDS, || {
        let lines = server.log();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines.into_iter().find(|line| line["message"] == "a call is over")
    });
    for field in ["batch.id", "call.id", "provider", "vendor", "attempt", "duration_ms", "http_status"] {
        assert!(!call[field].is_null(), "{field}: {call}");
    }
}

#[test]
fn a_collector_that_is_down_slows_nothing_and_is_told_of_once() {
    let stage = stage();
    let relay = Relay::to(&stage.wukongim().url());
    // Nobody listens there.
    let down = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:9\"\nqueue = 64\ntimeout = \"500ms\"\n";
    let server = Place::new(&through(&relay, down)).serve();
    let began = Instant::now();
    for number in 0..200 {
        server.post("/v1/send", &batch(&format!("u{number}"))).of(200);
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let told = || server.log().matches("the collector does not take spans").count();
    eventually("it is told of", SECONDS, || (told() > 0).then_some(()));
    more(&server);
    assert!(lost(&server, "not_taken") > 0, "what nobody takes is counted");
    assert_eq!(told(), 1, "{}", server.log());
    assert!(server.log().lines().count() < 10, "{}", server.log());
}

/// How many spans were lost for this reason.
fn lost(server: &Server, reason: &str) -> u64 {
    let name = format!("interline_trace_spans_lost_total{{reason=\"{reason}\"}} ");
    let text = server.get("/metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(&name)).expect("the counter");
    value.parse().expect("a number")
}

#[test]
fn a_collector_that_never_answers_slows_nothing_and_what_is_lost_is_counted() {
    let stage = stage();
    let relay = Relay::to(&stage.wukongim().url());
    // Connections are made and never answered.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = mute.local_addr().expect("its address");
    let hangs = format!("[telemetry]\notlp_endpoint = \"http://{address}\"\nqueue = 64\ntimeout = \"60s\"\n");
    let mut server = Place::new(&through(&relay, &hangs)).serve();
    for number in 0..200 {
        // Answered while the first export still hangs, and for minutes to come.
        server.post("/v1/send", &batch(&format!("u{number}"))).of(200);
    }
    // Three spans a message; at most the queue and one export of it are kept.
    assert!(lost(&server, "queue_full") >= 600 - 2 * 64, "{}", lost(&server, "queue_full"));
    server.terminate();
    eventually("it ends", SECONDS, || server.ended());
}

/// Two more exports' time of work.
fn more(server: &Server) {
    let until = Instant::now() + Duration::from_millis(2_500);
    while Instant::now() < until {
        server.post("/v1/send", &batch("alice")).of(200);
    }
}
