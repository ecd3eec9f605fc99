//! Disks that fill up, that may not be written, and ledgers that are broken: what was accepted is sent, what
//! cannot be stored is refused, and when there is room again it goes on by itself.
//!
//! Two ways to run out of room: a small file system of its own, where it may be mounted, and a limit on the
//! size of files, which is set on the running server from outside and stops every write at once.

#![expect(clippy::expect_used, reason = "a broken expectation ends the test")]

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use interline_tests::{Place, Server, Stage, arrived_once, config, eventually, holds_within, refuse};
use interline_twins::{Fault, FaultKind, TwinsConfig, Vendor};
use serde_json::{Value, json};
use tempfile::TempDir;

fn published() -> Stage {
    Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited())
}

fn place(stage: &Stage) -> Place {
    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", "");
    Place::new(&format!("{provider}{}", config::route("all", "", "wk")))
}

/// A batch whose messages are of about a kilobyte.
fn batch(name: &str, messages: usize) -> Value {
    let filling = "x".repeat(1_000);
    let message = |n: usize| json!({"to": format!("user:{name}-{n}"), "content": {"type": "text", "text": format!("{name} {n} {filling}")}});
    json!({"from": "shop", "messages": (0..messages).map(message).collect::<Vec<_>>()})
}

fn id(accepted: &Value) -> String {
    accepted["id"].as_str().expect("a batch has an id").to_owned()
}

/// Stops every write of the server, or lets it write again.
fn set_writable(server: &Server, writable: bool) {
    let limit = if writable { "unlimited:" } else { "0:" };
    let status = Command::new("prlimit")
        .args(["--pid", &server.id().to_string(), &format!("--fsize={limit}")])
        .status()
        .expect("prlimit, of util-linux, is there");
    assert!(status.success(), "prlimit cannot limit the server");
}

/// A file system of a few megabytes, or none where nobody may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mounted(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.path("filler")).expect("a file");
        for chunk in [vec![0; 1 << 20], vec![0; 4_096]] {
            while file.write_all(&chunk).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.path("filler")).expect("the filler is there");
    }

    fn remount(&self, options: &str) {
        let status =
            Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot remount with {options}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0.path()).status().ok();
    }
}

/// The answer of one who has no room: nothing stored, and when to ask again.
#[track_caller]
fn refused(server: &Server, body: &Value) {
    let answer = server.post("/v1/batches", body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
    let problem = answer.of(503);
    assert_eq!(problem["code"], "unavailable", "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("disk is full") && detail.contains("nothing of this was stored"), "{problem}");
}

#[track_caller]
fn not_ready(server: &Server) {
    let answer = server.get("/readyz").of(503);
    assert!(answer["detail"].as_str().unwrap_or_default().contains("ledger"), "{answer}");
    assert_eq!(server.get("/livez").status, 200);
}

/// Everything accepted, arrived once, and nothing else did.
#[track_caller]
fn all_arrived(server: &Server, stage: &Stage, accepted: &[(String, u64)]) {
    let mut total = 0;
    for (id, messages) in accepted {
        let settled = server.settled(id, Duration::from_secs(60));
        assert_eq!(settled["counts"]["accepted"], *messages, "{settled}");
        total += messages;
    }
    let received = stage.wukongim().received();
    let arrived: HashSet<_> = arrived_once(&received);
    assert_eq!((arrived.len() as u64, received.total), (total, total));
}

#[test]
fn while_nothing_can_be_written_nothing_leaves_and_nothing_is_lost() {
    let stage = published();
    // A call a second, so that at every moment one is about to leave.
    let limits = "[providers.wk.limits]\nsendbatch = { calls_per_second = 1 }";
    let provider = config::wukongim("wk", &stage.wukongim().url(), "published", limits);
    let place = Place::new(&format!("{provider}{}", config::route("all", "", "wk")));
    let mut server = place.serve();
    let waiting = id(&server.post("/v1/batches", &batch("waiting", 1_000)).of(202));
    eventually("the first call was read", Duration::from_secs(20), || {
        (stage.wukongim().calls() > 0).then_some(())
    });
    set_writable(&server, false);
    refused(&server, &batch("refused", 1));
    not_ready(&server);
    // What is stored can be read.
    assert_eq!(server.batch(&waiting)["counts"]["total"], 1_000);
    assert_eq!(server.batches(), 1);

    // One that was written down before may be waiting for its second; after it none leaves.
    holds_within(Duration::from_millis(1_500), || false);
    let before = stage.wukongim().calls();
    let left = holds_within(Duration::from_secs(4), || stage.wukongim().calls() > before);
    assert!(!left, "sent without a trace: {} calls, {before} before", stage.wukongim().calls());
    refused(&server, &batch("refused", 1));
    not_ready(&server);

    set_writable(&server, true);
    eventually("it is ready again", Duration::from_secs(10), || {
        (server.get("/readyz").status == 200).then_some(())
    });
    let after = id(&server.post("/v1/batches", &batch("after", 50)).of(202));
    all_arrived(&server, &stage, &[(waiting, 1_000), (after, 50)]);
    assert!(server.runs(), "it went on without a restart");
}

#[test]
fn results_that_come_while_nothing_can_be_written_are_kept() {
    let stage = published();
    let place = place(&stage);
    let server = place.serve();
    stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(2_000));
    let id = id(&server.post("/v1/batches", &batch("under-way", 400)).of(202));
    eventually("its calls were read", Duration::from_secs(10), || {
        (stage.wukongim().calls() >= 4).then_some(())
    });
    set_writable(&server, false);
    // Longer than the answers take.
    let written = holds_within(Duration::from_secs(4), || server.batch(&id)["counts"]["accepted"] != 0);
    assert!(!written, "{}", server.batch(&id));
    assert_eq!(server.batch(&id)["counts"]["sending"], 400);
    set_writable(&server, true);
    all_arrived(&server, &stage, &[(id, 400)]);
}

#[test]
fn a_full_disk_refuses_what_it_cannot_hold_and_goes_on_when_there_is_room() {
    let disk = SmallDisk::mounted("96m");
    if disk.is_none() {
        eprintln!("nobody may mount a file system here: files may not grow instead; no disk is really full");
    }
    let stage = published();
    let mut place = place(&stage);
    if let Some(disk) = &disk {
        let url = format!("sqlite:{}", disk.path("interline.db").display());
        place = place.variable("INTERLINE_LEDGER__URL", &url);
    }
    let mut server = place.serve();
    let mut accepted = Vec::new();
    for round in 0..3 {
        stage.wukongim().set_fault(Fault::new(FaultKind::Slow).value(300));
        let before = format!("before{round}");
        accepted.push((id(&server.post("/v1/batches", &batch(&before, 2_000)).of(202)), 2_000));
        match &disk {
            Some(disk) => disk.fill(),
            None => set_writable(&server, false),
        }
        // What the log has room for is still taken; then it is full.
        let mut taken = 0;
        loop {
            assert!(taken < 200, "the disk is never full");
            let body = batch(&format!("during{round}-{taken}"), 500);
            let answer = server.post("/v1/batches", &body);
            if answer.status != 202 {
                refused(&server, &body);
                break;
            }
            accepted.push((id(&answer.of(202)), 500));
            taken += 1;
        }
        not_ready(&server);
        assert!(server.batches() > 0);
        match &disk {
            Some(disk) => disk.free(),
            None => set_writable(&server, true),
        }
        eventually("it is ready again", Duration::from_secs(20), || {
            (server.get("/readyz").status == 200).then_some(())
        });
        accepted.push((id(&server.post("/v1/batches", &batch(&format!("after{round}"), 10)).of(202)), 10));
    }
    stage.wukongim().clear_faults();
    all_arrived(&server, &stage, &accepted);
    assert!(server.runs(), "it went on without a restart");
    eprintln!("{} batches were taken around three full disks", accepted.len());
}

#[test]
fn an_upload_that_finds_the_disk_full_leaves_nothing_behind() {
    let stage = published();
    let place = place(&stage);
    let server = place.serve();
    let mut upload = server.upload("/v1/batches").expect("a connection");
    let lines = |range: std::ops::Range<usize>| {
        let body = batch("upload", range.len());
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| format!("{message}\n")).collect::<String>()
    };
    upload.write(b"{\"from\":\"shop\"}\n").expect("a server that reads");
    upload.write(lines(0..6_000).as_bytes()).expect("a server that reads");
    eventually("a part of it is staged", Duration::from_secs(30), || {
        let batches = server.get("/v1/batches?state=receiving").of(200);
        batches["batches"].as_array().is_some_and(|batches| !batches.is_empty()).then_some(())
    });
    set_writable(&server, false);
    // It may be refused while it still comes.
    upload.write(lines(0..6_000).as_bytes()).ok();
    let answer = upload.finish().expect("an answer");
    assert_eq!(answer.of(503)["code"], "unavailable");
    set_writable(&server, true);
    eventually("what was staged is deleted", Duration::from_secs(20), || {
        (server.batches() == 0).then_some(())
    });
    let after = id(&server.post("/v1/batches", &batch("after", 10)).of(202));
    all_arrived(&server, &stage, &[(after, 10)]);
}

#[test]
fn a_ledger_that_may_not_be_written_is_named_at_the_start() {
    let stage = published();
    let Some(disk) = SmallDisk::mounted("8m") else {
        let place = place(&stage);
        let folder = place.path("closed");
        std::fs::create_dir(&folder).expect("a folder");
        let mut permissions = folder.metadata().expect("a folder").permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&folder, permissions).expect("the folder is ours");
        if File::create(folder.join("anything")).is_ok() {
            eprintln!("left out: nobody may mount a file system here, and root may write everywhere");
            return;
        }
        return refuses_to_start(place, &folder.join("interline.db"), "read-only", "let this process write");
    };
    let path = disk.path("interline.db");
    let place = place(&stage);
    let variable = format!("sqlite:{}", path.display());
    place.variable("INTERLINE_LEDGER__URL", &variable).serve().kill();
    disk.remount("ro");
    refuses_to_start(self::place(&stage), &path, "read-only", "let this process write");
    disk.remount("rw");
    self::place(&stage).variable("INTERLINE_LEDGER__URL", &variable).serve().kill();
}

/// It does not start, and says which file it is about and what to do.
#[track_caller]
fn refuses_to_start(place: Place, path: &std::path::Path, what: &str, advice: &str) {
    let place = place.variable("INTERLINE_LEDGER__URL", &format!("sqlite:{}", path.display()));
    assert!(place.try_serve(&[]).is_none(), "it started");
    let said = std::fs::read_to_string(place.path("server.log")).expect("a log");
    for part in [what, advice, &path.display().to_string()] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
}

/// Ends it in peace: then everything is in the file and nothing in the log beside it.
fn stopped(mut server: Server) {
    server.terminate();
    eventually("it has ended", Duration::from_secs(30), || (!server.runs()).then_some(()));
}

#[test]
fn a_broken_ledger_is_named_and_left_as_it_is() {
    let stage = published();
    let place = self::place(&stage);
    let path = place.path("interline.db");
    let server = place.serve();
    id(&server.post("/v1/batches", &batch("kept", 10)).of(202));
    stopped(server);
    let whole = std::fs::read(&path).expect("a ledger");
    let mut broken = whole.clone();
    broken.iter_mut().take(64).for_each(|byte| *byte = b'?');
    std::fs::write(&path, &broken).expect("a ledger");
    refuses_to_start(self::place(&stage), &path, "corrupt", "bring it back from a backup");
    assert_eq!(std::fs::read(&path).expect("a ledger"), broken, "nothing was repaired by guessing");
    // The file is gone and its log is not: that is no new ledger either.
    std::fs::write(&path, &whole).expect("a ledger");
    let server = place.serve();
    id(&server.post("/v1/batches", &batch("kept too", 10)).of(202));
    server.kill();
    std::fs::remove_file(&path).expect("a ledger");
    refuses_to_start(self::place(&stage), &path, "gone or empty", "bring it back from a backup");
    assert!(!path.exists());
}

#[test]
fn a_second_server_on_a_ledger_is_told_that_it_is_taken() {
    let stage = published();
    let place = self::place(&stage);
    let server = place.serve();
    refuses_to_start(
        self::place(&stage),
        &place.path("interline.db"),
        "another process",
        "stop that process",
    );
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn a_log_that_was_torn_by_a_crash_loses_nothing_that_was_answered() {
    let stage = published();
    let place = self::place(&stage);
    refuse(stage.wukongim(), 600_000);
    let server = place.serve();
    let ids: Vec<_> =
        (0..5).map(|n| id(&server.post("/v1/batches", &batch(&format!("b{n}"), 20)).of(202))).collect();
    server.kill();
    // What a crash of the machine may leave behind the last commit: half of a frame.
    let mut log = File::options().append(true).open(place.path("interline.db-wal")).expect("a log");
    log.write_all(&[0xa5; 10_000]).expect("room");
    drop(log);
    stage.wukongim().reset();
    let server = place.serve();
    let mut accepted = 0;
    for id in ids {
        let settled = server.settled(&id, Duration::from_secs(60));
        let counts = &settled["counts"];
        accepted += counts["accepted"].as_u64().unwrap_or(0);
        // What was just trying its luck when it was killed is unknown.
        let sum = counts["accepted"].as_u64().zip(counts["unknown"].as_u64()).map(|(a, u)| a + u);
        assert_eq!(sum, Some(20), "{settled}");
    }
    assert_eq!(arrived_once(&stage.wukongim().received()).len() as u64, accepted);
}

#[test]
fn a_server_that_cannot_even_log_goes_on() {
    // Its log is limited as well, and so is the file that says why it could not be written.
    let stage = published();
    let place = place(&stage);
    let mut server = place.serve();
    set_writable(&server, false);
    for _ in 0..20 {
        refused(&server, &batch("refused", 1));
    }
    assert!(server.runs(), "the server was ended by the limit");
    set_writable(&server, true);
    let after = id(&server.post("/v1/batches", &batch("after", 10)).of(202));
    all_arrived(&server, &stage, &[(after, 10)]);
}
