//! The samples of the vendors' own pages, in the languages that those show, against façades: programs that know
//! nothing of Interline print what their vendor promises, and the messages arrive. A language that the machine
//! lacks is passed over, and told of; where `CI` is set it has to be there.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a broken expectation ends the test, and people want to know what was passed over"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interline_tests::{Place, Server, Stage, config};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::{Value, json};

/// Every sample, so that none is forgotten.
const SAMPLES: [&str; 10] = [
    "imkit/rooms.js",
    "imkit/template.js",
    "imkit/users.js",
    "netease/batch_send.sh",
    "openim/batch_send.sh",
    "openim/send_all.sh",
    "wukongim/sendbatch.go",
    "wukongim/sendbatch.js",
    "wukongim/sendbatch.py",
    "wukongim/sendbatch.sh",
];

/// What runs a sample: the program, and what stands before the file.
fn runner(sample: &str) -> (&'static str, &'static [&'static str]) {
    match sample.rsplit_once('.') {
        Some((_, "js")) => ("node", &[]),
        Some((_, "py")) => ("python3", &[]),
        Some((_, "go")) => ("go", &["run"]),
        _ => ("sh", &[]),
    }
}

/// Whether the machine has what the sample needs. Said aloud when not; in CI that ends the test.
fn runs_here(sample: &str) -> bool {
    let (program, _) = runner(sample);
    let needed: &[&str] = if program == "sh" { &["curl"] } else { &[program] };
    let has = |program: &&str| {
        let asked = if *program == "go" { "version" } else { "--version" };
        let silent = Command::new(program).arg(asked).stdout(Stdio::null()).stderr(Stdio::null()).status();
        silent.is_ok_and(|status| status.success())
    };
    if needed.iter().all(has) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{sample} needs {needed:?}, which this machine lacks");
    eprintln!("passed over: {sample} needs {needed:?}, which this machine lacks");
    false
}

/// Runs a sample; what it prints is JSON.
#[track_caller]
fn printed(sample: &str, server: &Server, variables: &[(&str, &str)]) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample);
    let (program, before) = runner(sample);
    let mut command = Command::new(program);
    command.args(before).arg(file).env("HOST", server.client().url()).envs(variables.iter().copied());
    // What is asked is on this machine, whatever the environment says of proxies.
    command.env("NO_PROXY", "*").env("no_proxy", "*").stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{sample} cannot be started: {error}"));
    let out = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sample}: {out}{said}");
    serde_json::from_str(&out)
        .unwrap_or_else(|error| panic!("{sample} prints no JSON ({error}): {out}{said}"))
}

/// The twins, and a gateway that serves all four wire formats and delivers to `provider`.
fn gateway(provider: &str) -> (Stage, Server) {
    let stage = Stage::start(TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, "published").unlimited());
    let url = |vendor| stage.of(vendor).url();
    let text = [
        config::wukongim("wk", &url(Vendor::WuKongIm), "published", ""),
        config::openim("oim", &url(Vendor::OpenIm), "auto", "everyone = true"),
        config::imkit("kit", &url(Vendor::ImKit), ""),
        config::netease("ne", &url(Vendor::NetEase), ""),
        config::route("all", "", provider),
        facade("wukongim", ""),
        facade("openim", "admin_user_id = \"imAdmin\"\nsecret = \"openIM123\"\n"),
        facade("imkit", "api_key = \"twin-imkit-key\"\n"),
        facade("netease", "app_key = \"twin-app-key\"\napp_secret = \"twin-app-secret\"\n"),
    ];
    let server = Place::new(&text.concat()).serve();
    (stage, server)
}

fn facade(vendor: &str, credentials: &str) -> String {
    format!("[[facades]]\nname = \"{vendor}\"\nvendor = \"{vendor}\"\n{credentials}")
}

/// Who got what at a vendor, sorted.
fn arrived(stage: &Stage, vendor: Vendor) -> Vec<(String, String)> {
    let received = stage.of(vendor).received();
    let mut all: Vec<_> =
        received.messages.iter().map(|message| (message.to.clone(), message.text.clone())).collect();
    all.sort();
    all
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(to, text)| ((*to).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn every_sample_of_the_folder_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let names = |path: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(path).expect("a folder of samples").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let below = |vendor: String| {
        let found = names(&folder.join(&vendor));
        found.into_iter().map(move |name| format!("{vendor}/{name}"))
    };
    let mut found: Vec<String> = names(&folder).into_iter().flat_map(below).collect();
    found.sort();
    assert_eq!(found, SAMPLES);
    let source = include_str!("samples.rs");
    for sample in SAMPLES {
        assert!(source.matches(&format!("\"{sample}\"")).count() >= 2, "no test runs {sample}");
    }
}

#[test]
fn wukongims_samples_print_an_id_and_a_sequence_for_each_message() {
    for (sample, numbers) in [
        ("wukongim/sendbatch.sh", true),
        ("wukongim/sendbatch.js", false),
        ("wukongim/sendbatch.py", true),
        ("wukongim/sendbatch.go", true),
    ] {
        for provider in ["wk", "oim", "kit", "ne"] {
            // The payload of the shell's sample is no JSON: only its own vendor can deliver that.
            if !runs_here(sample) || (sample.ends_with(".sh") && provider != "wk") {
                continue;
            }
            let (stage, server) = gateway(provider);
            let answer = printed(sample, &server, &[]);
            let results = answer.as_array().unwrap_or_else(|| panic!("{sample} at {provider}: {answer}"));
            assert_eq!(results.len(), 2, "{sample} at {provider}: {answer}");
            for (place, result) in results.iter().enumerate() {
                let id = result["message_id"].as_i64().unwrap_or_default();
                let sequence = result["message_seq"].as_i64();
                assert!(id > 0 && sequence.is_some(), "{sample} at {provider}: {answer}");
                let number = result["client_msg_no"].as_str().unwrap_or_default();
                let echoed = if numbers {
                    number == format!("batch_msg_{}", place + 1)
                } else {
                    number.starts_with("batch_msg_") && number.ends_with(&format!("_{}", place + 1))
                };
                assert!(echoed, "{sample} at {provider}: {answer}");
            }
            assert_eq!(stage.total(), 2, "{sample} at {provider}");
            if provider == "wk" {
                let groups: Vec<_> =
                    arrived(&stage, Vendor::WuKongIm).into_iter().map(|(to, _)| to).collect();
                assert_eq!(groups, ["group:group123", "group:group456"], "{sample}");
            }
        }
    }
}

/// An administrator's token, from the façade itself.
#[track_caller]
fn token(server: &Server) -> String {
    let asked = json!({"secret": "openIM123", "userID": "imAdmin"});
    let answer = server.with("operationID", "1646445464563").post("/auth/get_admin_token", &asked).of(200);
    answer["data"]["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

#[test]
fn openims_samples_print_that_nothing_went_wrong() {
    for (sample, providers, everybody) in [
        ("openim/batch_send.sh", &["wk", "oim", "kit", "ne"][..], false),
        // Not every vendor can write to all of its users.
        ("openim/send_all.sh", &["oim"], true),
    ] {
        for provider in providers.iter().filter(|_| runs_here(sample)) {
            let (stage, server) = gateway(provider);
            let answer = printed(sample, &server, &[("TOKEN", &token(&server))]);
            assert_eq!(answer["errCode"], 0, "{sample} at {provider}: {answer}");
            assert_eq!((&answer["errMsg"], &answer["errDlt"]), (&json!(""), &json!("")), "{answer}");
            if *provider == "oim" {
                let text = "hello world!";
                let users = [("user:user-a", text), ("user:user-b", text)];
                let found = arrived(&stage, Vendor::OpenIm);
                if everybody {
                    assert!(found.iter().all(|(_, said)| said == text) && !found.is_empty(), "{found:?}");
                } else {
                    assert_eq!(found, pairs(&users));
                }
            }
        }
    }
}

#[test]
fn imkits_samples_print_a_task_and_how_many_it_is_for() {
    let notice = "系統公告:明天將進行例行維護";
    let event = "活動提醒:明天 14:00 開始";
    let users = [("user:user-a", notice), ("user:user-b", notice), ("user:user-c", notice)];
    let orders = [
        ("user:user-a", "Hi Alice,您的訂單 ORD-001 已出貨!"),
        ("user:user-b", "Hi Bob,您的訂單 ORD-002 已出貨!"),
    ];
    let rooms = [("room-001", event), ("room-002", event), ("room-003", event)];
    for (sample, wanted) in
        [("imkit/users.js", &users[..]), ("imkit/template.js", &orders), ("imkit/rooms.js", &rooms)]
    {
        for provider in ["wk", "oim", "kit", "ne"] {
            if !runs_here(sample) {
                continue;
            }
            let (stage, server) = gateway(provider);
            let answer = printed(sample, &server, &[("IM_API_KEY", "twin-imkit-key")]);
            assert_eq!(
                (&answer["RC"], &answer["RM"]),
                (&json!(0), &json!("OK")),
                "{sample} at {provider}: {answer}"
            );
            let result = &answer["result"];
            assert_eq!(result["count"], wanted.len(), "{sample} at {provider}: {answer}");
            assert!(result["batchID"].as_str().is_some_and(|id| !id.is_empty()), "{answer}");
            assert_eq!(stage.total(), wanted.len() as u64, "{sample} at {provider}");
            if provider == "kit" {
                let found = arrived(&stage, Vendor::ImKit);
                for ((to, text), (place, said)) in found.iter().zip(wanted) {
                    assert!(to.ends_with(place) && text == said, "{sample}: {found:?}");
                }
            }
        }
    }
}

/// The hexadecimal SHA-1 that the vendor's signature is, by the machine's own tool.
fn check_sum(nonce: &str, time: &str) -> String {
    let text = format!("printf %s 'twin-app-secret{nonce}{time}' | sha1sum");
    let output = Command::new("sh").args(["-c", &text]).output().expect("a shell");
    String::from_utf8_lossy(&output.stdout).split_whitespace().next().expect("a digest").to_owned()
}

#[test]
fn neteases_sample_prints_the_code_and_each_message_by_its_id() {
    let sample = "netease/batch_send.sh";
    for provider in ["wk", "oim", "kit", "ne"] {
        if !runs_here(sample) {
            continue;
        }
        let (stage, server) = gateway(provider);
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs().to_string();
        let signed = |sum: &str| {
            let headers =
                [("APP_KEY", "twin-app-key"), ("NONCE", "1"), ("CUR_TIME", &now), ("CHECK_SUM", sum)];
            printed(sample, &server, &headers)
        };
        assert_ne!(signed("51eb13ea5ee3")["code"], 200, "a signature that is none");
        let answer = signed(&check_sum("1", &now));
        if provider == "oim" {
            // That vendor has no chat rooms: the refusal is in the words of the one that was asked.
            assert_eq!((&answer["code"], stage.total()), (&json!(414), 0), "{answer}");
            continue;
        }
        assert_eq!(answer["code"], 200, "{provider}: {answer}");
        assert!(answer["fail"].as_array().is_none_or(Vec::is_empty), "{provider}: {answer}");
        let told = &answer["success"][0]["adfdas8fua8d9g"];
        assert_eq!(told["msgid_client"], "adfdas8fua8d9g", "{provider}: {answer}");
        assert_eq!((&told["roomId"], &told["type"]), (&json!("765788"), &json!("0")), "{provider}: {answer}");
        assert!(
            told["time"].as_str().is_some_and(|time| time.parse::<i64>().is_ok()),
            "{provider}: {answer}"
        );
        assert_eq!(stage.total(), 1, "{provider}");
        if provider == "ne" {
            assert_eq!(arrived(&stage, Vendor::NetEase), pairs(&[("room:765788", "oadsjfadhsfis89d")]));
        }
    }
}
