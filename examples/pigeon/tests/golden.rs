//! Golden wire cases: each file of `cases` is a batch as a caller writes it, the bytes that must come out, a reply
//! and what it means.

use interline_core::options::Results;
use interline_pigeon::VENDOR;
use interline_testkit::build;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    batch: Value,
    body: String,
    reply: Reply,
    outcomes: Vec<Value>,
}

#[derive(Deserialize)]
struct Reply {
    status: u16,
    body: Value,
}

#[test]
fn every_case_is_encoded_and_decoded_as_written() {
    let mut cases = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases")).unwrap() {
        let case: Case = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let adapter = build::adapter(&VENDOR, "v1", &json!({"api_key": "test-key"}));
        let (_, messages) = build::batch(&case.batch);
        let call = build::call(&*adapter, &messages, Results::Each);
        let request = adapter.encode(&call, &build::seal()).unwrap();
        assert_eq!((request.method, &*request.path), ("POST", "/v1/letters"), "{}", case.rule);
        assert_eq!(String::from_utf8(request.body).unwrap(), case.body, "{}", case.rule);
        let verdict = adapter.decode(&call, &build::reply(case.reply.status, &case.reply.body));
        let said = verdict.outcomes.iter().map(|outcome| {
            let code = outcome.failure().map(|failure| failure.code.as_str());
            json!([outcome.status().as_str(), code])
        });
        assert_eq!(said.collect::<Vec<_>>(), case.outcomes, "{}", case.rule);
        cases += 1;
    }
    assert!(cases >= 3, "only {cases} cases were found");
}
