//! The console in a real headless browser, against the real binary and the twins. Each test runs one
//! scenario of tests/console/scenarios; what the browser complains about fails it.

#![expect(clippy::expect_used, reason = "a set-up that fails has to end the test")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use interline_tests::{Place, Server, Stage, config, holds_within};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::{Value, json};

/// How long one scenario may take on a machine that does other things too, beside the traffic for a picture.
const PATIENCE: Duration = Duration::from_secs(180);

/// What callbacks are signed with.
const SECRET: &str = "Y29uc29sZS10ZXN0cy1zaWduLWNhbGxiYWNrcy13aXRoIHRoaXM=";

const INSTALL: &str = "./scripts/test installs it";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("console")
}

/// Ends the test with one line when something is missing that a browser test needs.
fn need_tools() {
    let node = Command::new("node").arg("--version").output().ok();
    let version = node.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let major =
        version.as_deref().and_then(|text| text.trim_start_matches('v').split('.').next()?.parse().ok());
    assert!(
        major.unwrap_or(0) >= 20,
        "Node.js 20 or newer is missing (found {version:?}): install nodejs and npm"
    );
    let packages = folder().join("node_modules");
    assert!(
        packages.join("playwright-core").is_dir() && packages.join("@axe-core/playwright").is_dir(),
        "the browser driver is missing: run `npm ci` in tests/console, or {INSTALL}"
    );
    let chromium = std::env::var_os("INTERLINE_CHROMIUM").map_or("/usr/bin/chromium".into(), PathBuf::from);
    assert!(
        chromium.is_file(),
        "no Chromium at {}: `apt-get install chromium`, or name one with INTERLINE_CHROMIUM; {INSTALL}",
        chromium.display()
    );
}

/// A new key's line for the configuration, and the key.
fn app(name: &str, may: &str) -> (String, String) {
    let ran = Place::empty().run(&["--json", "keys", "new", name]);
    assert_eq!(ran.code, 0, "{}", ran.said());
    let new: Value = serde_json::from_str(&ran.out).expect("--json prints JSON");
    let hash = new["key_sha256"].as_str().expect("a hash");
    let line = format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{hash}\"\nmay = {may}\n");
    (line, new["key"].as_str().expect("a key").to_owned())
}

/// Twins, a server with keys that knows them, and what a scenario is told of both.
struct Set {
    _stage: Stage,
    _server: Server,
    _place: Place,
    told: Value,
}

fn set() -> Set {
    let stage = Stage::start(TwinsConfig::ephemeral().unlimited());
    let (ops, ops_key) = app("ops", "[\"send\", \"read\", \"admin\", \"broadcast\"]");
    let ops = format!("{ops}callback_secrets = [\"whsec_{SECRET}\"]\n");
    let callbacks = "[callbacks]\nallow_private = [\"127.0.0.0/8\"]\n";
    let (shop, shop_key) = app("shop", "[\"send\", \"read\"]");
    let (guest, guest_key) = app("guest", "[\"read\"]");
    let move_rest = "[migrations.wk-to-oim]\nroute = \"rest\"\nfrom = \"wk\"\nto = \"oim\"\n\
                     gates = { rejected_percent = 2, unknown_percent = 0.5, p95 = \"2s\", min_messages = 100 }\n";
    let place = Place::with(
        "auth = \"keys\"",
        &format!("{ops}{shop}{guest}{callbacks}{}{move_rest}", config::four(&stage)),
    );
    let server = place.serve();
    let twins = [Vendor::WuKongIm, Vendor::OpenIm, Vendor::ImKit, Vendor::NetEase];
    let twins: serde_json::Map<_, _> =
        twins.iter().map(|vendor| (vendor.name().to_owned(), json!(stage.of(*vendor).url()))).collect();
    let told = json!({
        "url": server.url(),
        "keys": {"ops": ops_key, "shop": shop_key, "guest": guest_key},
        "twins": twins,
        "config": place.path("config.toml"),
        "pictures": pictures(),
        "seconds": if std::env::var_os("INTERLINE_PICTURE").is_some() { 300 } else { 1 },
    });
    Set { _stage: stage, _server: server, _place: place, told }
}

/// Where screenshots go: `console` in the target folder.
fn pictures() -> PathBuf {
    let here = std::env::current_exe().expect("a test knows its own path");
    here.ancestors().nth(3).unwrap_or(Path::new("target")).join("console")
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[track_caller]
fn play(scenario: &str, stage: &Value) {
    let mut command = Command::new("node");
    command.arg("run.mjs").arg(scenario).current_dir(folder());
    command.env("INTERLINE_STAGE", stage.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::inherit()).stderr(Stdio::piped());
    let mut node = Running(command.spawn().expect("node starts"));
    let mut stderr = node.0.stderr.take().expect("its standard error");
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        stderr.read_to_end(&mut said).ok();
        String::from_utf8_lossy(&said).into_owned()
    });
    let mut ended = None;
    let patience = PATIENCE + Duration::from_secs(stage["seconds"].as_u64().unwrap_or(0));
    let in_time = holds_within(patience, || {
        ended = node.0.try_wait().ok().flatten();
        ended.is_some()
    });
    drop(node);
    let said = said.join().unwrap_or_default();
    assert!(in_time, "{scenario} took longer than {patience:?}: {said}");
    assert!(ended.is_some_and(|status| status.success()), "{scenario}: {said}");
}

#[track_caller]
fn scenario(name: &str) {
    need_tools();
    play(name, &set().told);
}

/// A scenario for somebody who prefers these colours, on a screen of this size.
#[track_caller]
fn seen_in(scheme: &str, size: &str, name: &str) {
    need_tools();
    let mut set = set();
    set.told["scheme"] = scheme.into();
    set.told["size"] = size.into();
    play(name, &set.told);
}

#[test]
fn every_page_is_shown_and_accessible_in_light() {
    seen_in("light", "wide", "pages");
}

#[test]
fn every_page_is_shown_and_accessible_in_dark() {
    seen_in("dark", "wide", "pages");
}

#[test]
fn every_page_is_shown_and_accessible_on_a_phone_in_light() {
    seen_in("light", "phone", "pages");
}

#[test]
fn every_page_is_shown_and_accessible_on_a_phone_in_dark() {
    seen_in("dark", "phone", "pages");
}

#[test]
fn a_batch_is_seen_live_to_its_end_and_what_failed_is_redriven() {
    scenario("batch");
}

#[test]
fn what_waits_can_be_cancelled() {
    scenario("cancel");
}

#[test]
fn a_plan_in_the_playground_tells_what_is_sent_then() {
    scenario("playground");
}

#[test]
fn a_provider_is_paused_and_resumed() {
    scenario("provider");
}

#[test]
fn a_migration_is_started_set_and_rolled_back() {
    scenario("migration");
}

#[test]
fn a_session_begins_by_key_and_ends_by_hand_or_with_its_key() {
    scenario("session");
}

#[test]
fn a_keyboard_is_enough_to_sign_in_plan_and_send() {
    scenario("keyboard");
}

#[test]
fn a_request_forged_elsewhere_is_refused() {
    scenario("forged");
}

#[test]
fn a_receiver_of_callbacks_that_is_gone_is_enabled_and_told_again() {
    scenario("callbacks");
}

#[test]
fn what_is_wrong_stands_at_the_top_and_goes_with_its_reason() {
    scenario("trouble");
}

#[test]
fn a_server_that_goes_away_is_waited_for_and_a_session_that_ends_is_begun_anew() {
    scenario("lost");
}

#[test]
fn what_others_write_is_text_and_nothing_else() {
    scenario("strange");
}

#[test]
fn who_may_only_look_sees_no_orders_and_a_hidden_page_asks_nothing() {
    scenario("reader");
}

#[test]
fn long_lists_have_pages_forward_and_back() {
    scenario("many");
}

#[test]
fn the_page_of_the_api_is_accessible_in_dark() {
    seen_in("dark", "wide", "apidocs");
}

#[test]
fn the_page_of_the_api_is_accessible_on_a_phone() {
    seen_in("light", "phone", "apidocs");
}

/// `INTERLINE_PICTURE=docs/images/console.png` lets traffic run for longer and puts the picture there.
#[test]
fn the_overview_under_traffic_is_a_picture() {
    scenario("picture");
    let taken = pictures().join("readme.png");
    let size = taken.metadata().map_or(0, |file| file.len());
    assert!((10_000..300_000).contains(&size), "{} has {size} bytes", taken.display());
    if let Some(named) = std::env::var_os("INTERLINE_PICTURE") {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        std::fs::copy(&taken, root.join(named)).expect("the picture can be put there");
    }
}
