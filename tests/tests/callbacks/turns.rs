//! Who waits for whom: nobody for another app, and nobody for one slow receiver.

use std::collections::BTreeSet;
use std::time::Duration;

use interline_tests::eventually;

use crate::receiver::{Receiver, Reply, ok};
use crate::set::{Set, accepted, app, batch};
use crate::{LOCAL, OLD, SOON};

/// Silent receivers are waited for as long as may be.
fn patient() -> String {
    format!("{LOCAL}timeout = \"60s\"\n")
}

/// How many came before the first of them could have been given up.
fn at_a_time(slow: &Receiver) -> usize {
    let hooks = slow.hooks();
    let first = hooks.iter().map(|hook| hook.at).min().expect("one came");
    hooks.iter().filter(|hook| hook.at - first < Duration::from_secs(50)).count()
}

#[test]
fn a_slow_receiver_holds_up_nobody_else() {
    let set = Set::new(&patient(), &[OLD]);
    let slow = Receiver::start(|_| Reply::Silence);
    let quick = Receiver::start(|_| ok());
    let (_server, client) = set.serve();
    for _ in 0..12 {
        accepted(&client, &batch(&slow.url(), false, 1));
    }
    slow.gets(8);
    for _ in 0..20 {
        accepted(&client, &batch(&quick.url(), false, 1));
    }
    quick.gets(20);
    assert_eq!(at_a_time(&slow), 8, "no more than eight at a time");
}

#[test]
fn however_many_slow_receivers_an_app_has_another_app_is_told() {
    let (bank, key) = app("bank", "[\"send\", \"read\"]", &[OLD]);
    let set = Set::with(&patient(), &[OLD], &bank);
    let slow = Receiver::start(|_| Reply::Silence);
    let quick = Receiver::start(|_| ok());
    let (server, client) = set.serve();
    for url in 0..300 {
        accepted(&client, &batch(&format!("http://{}/{url}", slow.addr), false, 1));
    }
    slow.gets(128);
    let bank = server.client().key(&key);
    for _ in 0..20 {
        accepted(&bank, &batch(&quick.url(), false, 1));
    }
    quick.gets(20);
    assert_eq!(at_a_time(&slow), 128, "half of all is for others");
}

#[test]
fn a_server_that_stops_begins_no_more_attempts() {
    let set = Set::new(&patient(), &[OLD]);
    let slow = Receiver::start(|_| Reply::Silence);
    let (mut server, client) = set.serve();
    for url in 0..160 {
        accepted(&client, &batch(&format!("http://{}/{url}", slow.addr), false, 1));
    }
    slow.gets(128);
    server.terminate();
    eventually("it stops", SOON, || server.log().contains("stopping").then_some(()));
    slow.hangs_up();
    eventually("it has stopped", SOON, || server.ended());
    assert_eq!(slow.hooks().len(), 128, "what waited for a slot waits for the next start");
    let (_server, _) = set.serve();
    eventually("all 160 are told", SOON, || {
        let ids: BTreeSet<String> = slow.hooks().iter().map(|hook| hook.id().to_owned()).collect();
        (ids.len() == 160).then_some(())
    });
}
