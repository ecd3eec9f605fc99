//! A batch may be as long as it likes: the server's memory stays where it is. The twins run in a process
//! of their own, so that what is measured is the server alone.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken expectation ends the test, figures are printed"
)]

use std::io::{BufWriter, Write as _};
use std::time::Instant;

use interline_tests::{Place, TwinProcess, arrived_once, config};
use serde_json::Value;

/// What the server may hold at its peak.
const MOST_KIB: u64 = 256 * 1024;

/// A million messages; `INTERLINE_LONG` takes another number.
fn many() -> u64 {
    let asked = std::env::var("INTERLINE_LONG").ok().and_then(|text| text.parse().ok());
    asked.filter(|messages| *messages >= 100_000).unwrap_or(1_000_000)
}

fn write_lines(place: &Place, messages: u64) -> String {
    let path = place.path("batch.ndjson");
    let mut file = BufWriter::new(std::fs::File::create(&path).expect("a file in the folder"));
    writeln!(file, "{{\"from\":\"shop\",\"labels\":{{\"campaign\":\"memory\"}}}}").expect("a writable file");
    for number in 0..messages {
        writeln!(
            file,
            "{{\"id\":\"m{number}\",\"to\":\"user:u{number}\",\"content\":{{\"type\":\"text\",\
             \"text\":\"Your order {number} has shipped and will be there on Friday\"}}}}"
        )
        .expect("a writable file");
    }
    file.flush().expect("a writable file");
    path.display().to_string()
}

/// Sends so many messages with a fresh server; its peak in KiB.
fn peak_of(messages: u64) -> u64 {
    let twins = TwinProcess::start(&["--dialect", "wukongim=published"]);
    let provider = config::wukongim("wk", &twins.url("wukongim"), "published", "");
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "wk")));
    let file = write_lines(&place, messages);
    let server = place.serve();
    let began = Instant::now();
    let ran = place.run(&["send", &file, "--server", &server.url(), "--json"]);
    let took = began.elapsed();
    let peak = server.peak_kib();
    eprintln!("{messages} messages in {took:.1?}, the server's peak is {:.1} MiB", peak as f64 / 1024.0);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let said: Value = serde_json::from_str(&ran.out).expect("--json prints JSON");
    assert_eq!(said["counts"]["accepted"], messages, "{}", ran.said());
    let (total, calls) = twins.counts("wukongim");
    assert_eq!(total, messages, "as many arrived as were accepted");
    assert!(calls <= messages.div_ceil(100) * 102 / 100, "{calls} calls for {messages} messages");
    arrived_once(&twins.received("wukongim"));
    peak
}

#[test]
fn memory_does_not_grow_with_the_batch() {
    let (short, middle, long) = (peak_of(100_000), peak_of(300_000), peak_of(many()));
    assert!(long <= MOST_KIB, "{long} KiB at the peak, allowed are {MOST_KIB}");
    assert!(short <= long * 110 / 100, "{short} KiB for the short batch, {long} KiB for the long one");
    // By 300,000 messages every cache has its size.
    assert!(long <= middle * 115 / 100, "{long} KiB for the long batch, {middle} KiB for the middle one");
}
