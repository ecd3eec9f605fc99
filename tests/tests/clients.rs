//! What others make of the OpenAPI document: public generators make clients of it that send a batch and read its
//! results, and a public fuzzer asks the running server all that the document allows, and what it does not.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken expectation ends the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use interline_tests::{Place, Server, Stage, config};
use interline_twins::{TwinsConfig, Vendor};
use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A tool that `scripts/test` installs.
fn tool(path: &str) -> PathBuf {
    let tool = root().join("target/clients").join(path);
    assert!(tool.exists(), "{} is missing: scripts/test installs it (see tests/clients)", tool.display());
    tool
}

fn own(name: &str) -> PathBuf {
    root().join("tests/clients").join(name)
}

/// A server that asks for keys, and a key that may do everything. What examples steer takes no traffic.
fn served(stage: &Stage, may: &str) -> (Place, String) {
    let ran = Place::empty().run(&["--json", "keys", "new", "client"]);
    let new: Value = serde_json::from_str(&ran.out).expect("--json prints JSON");
    let hash = new["key_sha256"].as_str().expect("a hash");
    let url = |vendor| stage.of(vendor).url();
    let config = [
        format!("[[apps]]\nname = \"client\"\nkey_sha256 = \"{hash}\"\nmay = {may}\n"),
        config::wukongim("wk-main", &url(Vendor::WuKongIm), "v2", ""),
        config::openim("oim", &url(Vendor::OpenIm), "v3.8.3", ""),
        config::imkit("kit", &url(Vendor::ImKit), ""),
        config::netease("ne", &url(Vendor::NetEase), ""),
        config::route("moving", "id = \"moving-*\"", "wk-main"),
        config::route("rooms", "to = \"room\"", "ne"),
        config::route("default", "", "kit"),
        "[migrations.wk-to-oim]\nroute = \"moving\"\nfrom = \"wk-main\"\nto = \"oim\"\n".to_owned(),
    ];
    (Place::with("auth = \"keys\"", &config.concat()), new["key"].as_str().expect("a key").to_owned())
}

/// Runs a command to its end, with what a client needs to know.
fn run(command: &mut Command, server: &Server, key: &str, folder: &Path) -> String {
    command.current_dir(folder).env("INTERLINE_URL", server.url()).env("INTERLINE_KEY", key);
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// What a client prints: both messages are accepted, and what is wrong is told as an error of a plan.
#[track_caller]
fn sent(said: &str, server: &Server, key: &str) {
    let line = said.lines().last().expect("a line");
    let told: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!((&told["state"], &told["accepted"]), (&json!("settled"), &json!(2)), "{told}");
    assert_eq!(told["statuses"], json!(["m1 accepted", "m2 accepted"]));
    assert!(told["refused"].as_u64().is_some_and(|errors| errors > 0), "{told}");
    let batch = server.key(key).get(&format!("/v1/batches/{}", told["id"].as_str().expect("an id")));
    assert_eq!(batch.of(200)["counts"]["accepted"], 2);
}

#[test]
fn a_generated_typescript_client_sends_a_batch() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let (place, key) = served(&stage, "[\"send\", \"read\"]");
    let server = place.serve();
    let modules = tool("node/node_modules");
    let folder = place.path("typescript");
    std::fs::create_dir(&folder).expect("a folder");
    for name in ["batch.ts", "tsconfig.json", "package.json"] {
        std::fs::copy(own(name), folder.join(name)).expect(name);
    }
    std::os::unix::fs::symlink(modules.canonicalize().expect("a path"), folder.join("node_modules"))
        .expect("a link");
    std::fs::write(folder.join("openapi.json"), server.get("/openapi.json").body).expect("a file");
    let node = |script: &str| {
        let mut command = Command::new("node");
        command.arg(format!("node_modules/{script}"));
        command
    };
    run(node("openapi-typescript/bin/cli.js").args(["openapi.json", "-o", "api.ts"]), &server, &key, &folder);
    run(node("typescript/bin/tsc").args(["-p", "."]), &server, &key, &folder);
    let said = run(Command::new("node").arg("out/batch.js"), &server, &key, &folder);
    sent(&said, &server, &key);
}

#[test]
fn a_generated_python_client_sends_a_batch() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let (place, key) = served(&stage, "[\"send\", \"read\"]");
    let server = place.serve();
    let folder = place.path("python");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("openapi.json"), server.get("/openapi.json").body).expect("a file");
    let mut path = tool("venv/bin").into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut generator = Command::new(tool("venv/bin/openapi-python-client"));
    generator.args(["generate", "--path", "openapi.json", "--output-path", "client"]).env("PATH", path);
    run(&mut generator, &server, &key, &folder);
    let mut client = Command::new(tool("venv/bin/python"));
    client.arg(own("batch.py")).env("PYTHONPATH", folder.join("client"));
    let said = run(&mut client, &server, &key, &folder);
    sent(&said, &server, &key);
}

/// What is held against each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance,negative_data_rejection";

#[test]
fn a_fuzzer_finds_no_server_error_and_no_answer_that_is_not_told_of() {
    let stage = Stage::start(TwinsConfig::ephemeral());
    let (place, key) = served(&stage, "[\"send\", \"read\", \"admin\"]");
    let server = place.serve();
    let folder = place.path("fuzz");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::copy(own("schemathesis_hooks.py"), folder.join("schemathesis_hooks.py")).expect("the hooks");
    std::fs::write(folder.join("openapi.json"), server.get("/openapi.json").body).expect("a file");
    let mut fuzzer = Command::new(tool("venv/bin/schemathesis"));
    fuzzer.args([
        "run",
        "openapi.json",
        "--url",
        &server.url(),
        "--header",
        &format!("Authorization: Bearer {key}"),
    ]);
    // Everything as it changes has no end to wait for; the same for one batch has.
    fuzzer.args([
        "--exclude-operation-id",
        "watch",
        "--checks",
        CHECKS,
        "--no-color",
        "--continue-on-failure",
    ]);
    fuzzer.args([
        "--generation-deterministic",
        "--max-examples",
        "8",
        "--max-time",
        "90",
        "--request-timeout",
        "30",
    ]);
    fuzzer.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks").env("PYTHONPATH", &folder);
    let said = run(&mut fuzzer, &server, &key, &folder);
    let cases: Option<u64> =
        said.lines().find_map(|line| line.trim().split_once(" generated,")?.0.parse().ok());
    // How many fit into its time is the machine's to say.
    assert!(cases.is_some_and(|cases| cases > 100), "{cases:?} cases:\n{said}");
    assert_eq!(server.get("/livez").status, 200);
}
