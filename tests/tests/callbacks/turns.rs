//! Who waits for whom: nobody for another app, and nobody for one slow receiver.

use interline_tests::eventually;

use crate::receiver::{Receiver, Reply, ok};
use crate::set::{Set, accepted, app, batch};
use crate::{LOCAL, OLD, SOON};

/// Silent receivers are waited for longer than a test waits for anything.
fn patient() -> String {
    format!("{LOCAL}timeout = \"60s\"\n")
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
    assert_eq!(slow.hooks().len(), 8, "no more than eight at a time");
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
    assert_eq!(slow.hooks().len(), 128, "half of all is for others");
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
    slow.gets(128 + 32);
}
