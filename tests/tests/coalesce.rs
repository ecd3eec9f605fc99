//! Many callers, each with one message at a time and one call after the other, share the vendor's calls:
//! a contract of a hundred calls a second carries nearly a hundred times as many messages.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken expectation ends the test, figures are printed"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use interline_tests::{Place, TwinProcess, binary, config, share_of};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The contract, and what one call of this vendor holds.
const CALLS_A_SECOND: u64 = 100;
const MESSAGES_A_CALL: u64 = 100;

const WARMING: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);

/// What came of a load.
struct Tally {
    accepted: u64,
    calls: u64,
    arrived: u64,
    waits: Vec<Duration>,
}

impl Tally {
    fn a_second(&self) -> f64 {
        self.accepted as f64 / MEASURED.as_secs_f64()
    }

    fn wait(&self, percent: usize) -> Duration {
        self.waits.get(self.waits.len() * percent / 100).copied().unwrap_or_default()
    }
}

/// One caller: a message, its answer, the next message.
async fn call(server: SocketAddr, number: usize, phase: Arc<[AtomicBool; 2]>) -> Vec<Duration> {
    let body = format!(
        "{{\"messages\":[{{\"to\":\"user:u{number}\",\"content\":{{\"type\":\"text\",\"text\":\"hi {number}\"}}}}]}}"
    );
    let request = format!(
        "POST /v1/send HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let (mut waits, mut answer) = (Vec::new(), Vec::with_capacity(4_096));
    while !phase[1].load(Ordering::Relaxed) {
        let counted = phase[0].load(Ordering::Relaxed);
        let asked = Instant::now();
        stream.write_all(request.as_bytes()).await.expect("a request");
        answer.clear();
        while !is_whole(&answer) {
            assert!(stream.read_buf(&mut answer).await.expect("an answer") > 0, "the server hung up");
        }
        let text = std::str::from_utf8(&answer).expect("text");
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"status\":\"accepted\""), "{text}");
        if counted && !phase[1].load(Ordering::Relaxed) {
            waits.push(asked.elapsed());
        }
    }
    waits
}

fn is_whole(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next());
    length.and_then(|length| length.parse().ok()).is_some_and(|length: usize| body.len() >= length)
}

fn load(callers: usize) -> Tally {
    let twins = TwinProcess::start(&["--dialect", "wukongim=published"]);
    let limits = format!("[providers.wk.limits]\nsendbatch = {{ calls_per_second = {CALLS_A_SECOND} }}\n");
    let provider = config::wukongim("wk", &twins.url("wukongim"), "published", &limits);
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "wk")));
    let server = place.serve();
    let addr = server.url().trim_start_matches("http://").parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let phase = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let (before, after, mut waits) = runtime.block_on(async {
        let callers: Vec<_> =
            (0..callers).map(|number| tokio::spawn(call(addr, number, Arc::clone(&phase)))).collect();
        tokio::time::sleep(WARMING).await;
        let before = twins.counts("wukongim");
        phase[0].store(true, Ordering::Relaxed);
        tokio::time::sleep(MEASURED).await;
        phase[1].store(true, Ordering::Relaxed);
        let after = twins.counts("wukongim");
        let mut waits = Vec::new();
        for caller in callers {
            waits.extend(caller.await.expect("a caller's end"));
        }
        (before, after, waits)
    });
    waits.sort_unstable();
    let tally =
        Tally { accepted: waits.len() as u64, calls: after.1 - before.1, arrived: after.0 - before.0, waits };
    eprintln!(
        "{callers} callers: {:.0} messages a second accepted, {:.1} calls a second, {:.1} messages a call, \
         wait p50 {:.1?}, p99 {:.1?}",
        tally.a_second(),
        tally.calls as f64 / MEASURED.as_secs_f64(),
        tally.arrived as f64 / tally.calls as f64,
        tally.wait(50),
        tally.wait(99),
    );
    tally
}

/// The load carries this share of what full calls would, in percent, and never more calls than allowed.
fn assert_shared(callers: usize, percent: u64) {
    let tally = load(callers);
    // Counting begins and ends within a call or two of the second.
    assert!(tally.calls <= CALLS_A_SECOND * MEASURED.as_secs() + 5, "{} calls", tally.calls);
    if binary().components().any(|part| part.as_os_str() == "debug") {
        eprintln!("a build for debugging: its speed says nothing");
        return;
    }
    let least = share_of((CALLS_A_SECOND * MESSAGES_A_CALL * percent / 100) as f64);
    assert!(tally.a_second() >= least, "{:.0} messages a second, expected {least}", tally.a_second());
}

/// One test, so that no two loads share the machine.
#[test]
fn single_messages_share_full_calls() {
    assert_shared(256, 90);
    assert_shared(64, 55);
}
