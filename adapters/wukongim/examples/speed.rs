//! Times the pure functions of the page's dialect on calls of a hundred messages that share a content:
//! `cargo run --release -p interline-wukongim --example speed`. What it prints are nanoseconds a message,
//! the best and the median of many rounds.
#![expect(clippy::print_stdout, reason = "an example prints what it measured")]
#![expect(clippy::expect_used, reason = "an example may stop when its own input is wrong")]

use std::hint::black_box;
use std::time::Instant;

use interline_core::options::Results;
use interline_testkit::build;
use interline_wukongim::VENDOR;
use serde_json::{Value, json};

/// Messages a call.
const MESSAGES: u32 = 100;

/// Rounds of each function.
const ROUNDS: usize = 4_000;

fn main() {
    let adapter = build::adapter(&VENDOR, "published", &json!({"default_sender": "system"}));
    let to: Vec<Value> = (0..MESSAGES).map(|n| json!({"to": format!("user:user-{n:06}")})).collect();
    let text = "Your parcel is on its way; it arrives today between nine and noon.";
    let (_, messages) = build::batch(&json!({"content": {"type": "text", "text": text}, "messages": to}));
    let call = build::call(&*adapter, &messages, Results::Each);
    let answers = |numbers: Vec<u64>| {
        let answer = |n: u64| {
            let message = messages.get(usize::try_from(n).unwrap_or_default()).expect("one of the call's");
            json!({
                "message_id": 1_689_248_112_654_155_776 + n,
                "message_seq": 12 + n,
                "client_msg_no": message.client_id,
            })
        };
        build::reply(200, &numbers.into_iter().map(answer).collect())
    };
    let in_order = answers((0..MESSAGES.into()).collect());
    let reversed = answers((0..MESSAGES.into()).rev().collect());
    let seal = build::seal();

    time("check", || {
        messages.iter().for_each(|message| drop(black_box(adapter.check(message, Results::Each))))
    });
    time("slot", || messages.iter().for_each(|message| _ = black_box(adapter.slot(message, Results::Each))));
    time("encode", || drop(black_box(adapter.encode(&call, &seal))));
    time("decode", || drop(black_box(adapter.decode(&call, &in_order))));
    time("decode, other order", || drop(black_box(adapter.decode(&call, &reversed))));
}

fn time(what: &str, mut round: impl FnMut()) {
    let mut taken: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_nanos() / u128::from(MESSAGES)
        })
        .collect();
    taken.sort_unstable();
    let best = taken.first().copied().unwrap_or_default();
    let median = taken.get(ROUNDS / 2).copied().unwrap_or_default();
    println!("{what:20} {best:5} {median:5}");
}
