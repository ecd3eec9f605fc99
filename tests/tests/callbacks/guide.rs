//! The samples of the guide, run.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::receiver::Hook;

/// A block of the guide in this language.
fn sample(language: &str) -> String {
    let guide = include_str!("../../../docs/CALLBACKS.md");
    let (_, rest) = guide.split_once(&format!("```{language}\n")).expect("the guide has a sample");
    rest.split("```").next().unwrap_or_default().to_owned()
}

/// What the samples of the guide say of requests with these secrets.
pub(crate) fn verified(cases: &[(&str, &Hook)], tamper: bool) -> Vec<bool> {
    let cases: Vec<Value> = cases
        .iter()
        .map(|(secret, hook)| {
            let mut body = String::from_utf8(hook.body.clone()).expect("JSON is text");
            if tamper {
                body.push(' ');
            }
            json!({"secret": secret, "headers": hook.headers, "body": body})
        })
        .collect();
    let input = Value::from(cases).to_string();
    let python = format!(
        "{}\nimport json, sys\nprint(json.dumps([verify(c['secret'], c['headers'], c['body'].encode()) \
         for c in json.load(sys.stdin)]))",
        sample("python")
    );
    let js = format!(
        "{}\nconst cases = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));\n\
         console.log(JSON.stringify(cases.map((c) => verify(c.secret, c.headers, Buffer.from(c.body)))));",
        sample("js")
    );
    let by_python = ran("python3", &["-c", &python], &input);
    let by_node = ran("node", &["-e", &js], &input);
    assert_eq!(by_python, by_node);
    by_python
}

fn ran(program: &str, arguments: &[&str], input: &str) -> Vec<bool> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is missing ({error}): install python3 and nodejs"));
    let mut child = child;
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("an input that is read");
    let output = child.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("a list of answers")
}
