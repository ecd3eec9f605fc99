//! `interline test`: plays the tests of the configuration on a clock of their own and says what differs from
//! what they expect. Nothing is sent, no server is asked, and no secret is needed.

mod compare;

use std::process::ExitCode;

use interline_engine::{Denied, Played, Rehearsal};
use interline_gateway::config::{Case, Config};
use serde_json::{Value, json};

use crate::args::{Common, Test};
use crate::output::{BAD, BOLD, DIM, Failed, GOOD, count, json as print_json, line, paint, wrapped};
use crate::serve;
use compare::{Difference, differences, seconds};

/// Columns that a reason may take behind its name.
const REASON: usize = 64;

/// How one test went.
struct Outcome<'c> {
    case: &'c Case,
    played: Option<Played>,
    differences: Vec<Difference>,
}

/// Runs the verb.
pub(crate) fn run(args: &Test, common: &Common) -> Result<ExitCode, Failed> {
    let config = serve::loaded(common)?;
    let cases = chosen(&config, &args.names)?;
    let settings = config.rehearsal_settings().map_err(|errors| serve::wrong(&errors))?;
    let rehearsal = Rehearsal::new(settings).map_err(|error| Failed::new(error.to_string()))?;
    let mut failed = 0;
    let mut told: Vec<Value> = Vec::new();
    let all = cases.len();
    for case in cases {
        let outcome = outcome(&rehearsal, &config, case);
        failed += usize::from(!outcome.differences.is_empty());
        if common.json {
            told.push(as_json(&outcome));
        } else {
            written(&outcome);
        }
    }
    if common.json {
        let passed = all - failed;
        print_json(&json!({"file": config.file, "passed": passed, "failed": failed, "tests": told}))?;
    } else {
        line("");
        line(summary(all, failed));
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// The tests whose names hold one of the words; all where no word is given.
fn chosen<'c>(config: &'c Config, words: &[String]) -> Result<Vec<&'c Case>, Failed> {
    let file = config.file.display();
    if config.tests.is_empty() {
        return Err(Failed::new(format!("there are no tests in {file}"))
            .next("write [[tests]]; the shipped config.toml shows every key"));
    }
    let names = || config.tests.iter().map(|case| case.name.as_str()).collect::<Vec<_>>().join("\n");
    if let Some(word) = words.iter().find(|word| !config.tests.iter().any(|case| case.name.contains(*word))) {
        return Err(Failed::new(format!("no test in {file} has {word:?} in its name"))
            .next(format!("there are:\n{}", names())));
    }
    let wanted = |case: &&Case| words.is_empty() || words.iter().any(|word| case.name.contains(word));
    Ok(config.tests.iter().filter(wanted).collect())
}

fn outcome<'c>(rehearsal: &Rehearsal, config: &Config, case: &'c Case) -> Outcome<'c> {
    let unknown = config.unknown_names(case);
    let at = &case.at;
    if !unknown.is_empty() {
        let differences = unknown.into_iter().map(|(key, kind, name)| {
            Difference::new(
                format!("{at}.{key}"),
                format!("a {kind} of the configuration"),
                format!("{name:?}"),
            )
        });
        return Outcome { case, played: None, differences: differences.collect() };
    }
    match rehearsal.play(&case.scene) {
        Ok(played) => {
            let differences = differences(case, &played);
            Outcome { case, played: Some(played), differences }
        }
        Err(denied) => {
            let difference =
                Difference::new(at.clone(), "a batch that is taken".to_owned(), refusal(&denied));
            Outcome { case, played: None, differences: vec![difference] }
        }
    }
}

fn refusal(denied: &Denied) -> String {
    let (Denied::Invalid(errors) | Denied::NotRoutable(errors) | Denied::Forbidden(errors)) = denied else {
        return denied.to_string();
    };
    let errors: Vec<String> = errors.listed.iter().map(ToString::to_string).collect();
    errors.join("; ")
}

fn written(outcome: &Outcome<'_>) {
    let Outcome { case, played, differences } = outcome;
    let effort = played.as_ref().map_or_else(String::new, |played| {
        let calls = count(played.calls.len() as u64, "call");
        format!("{calls}, {}", seconds(played.took.as_secs_f64()))
    });
    if differences.is_empty() {
        line(format!("{} {}  {}", paint(GOOD, "✓"), case.name, paint(DIM, effort)));
        return;
    }
    line(format!("{} {}", paint(BAD, "✗"), paint(BOLD, &case.name)));
    for difference in differences {
        line(format!("    {}", paint(BAD, &difference.path)));
        field("expected", &difference.expected);
        field("found", &difference.found);
        for (place, reason) in difference.because.iter().enumerate() {
            field(if place == 0 { "because" } else { "" }, reason);
        }
    }
}

fn field(name: &str, text: &str) {
    for (place, row) in wrapped(text, REASON).into_iter().enumerate() {
        let name = if place == 0 { name } else { "" };
        line(format!("      {} {row}", paint(DIM, format!("{name:<8}"))));
    }
}

fn summary(all: usize, failed: usize) -> String {
    let tests = count(all as u64, "test");
    if failed == 0 {
        return paint(GOOD, format!("{tests} passed"));
    }
    paint(BAD, format!("{failed} of {tests} failed"))
}

fn as_json(outcome: &Outcome<'_>) -> Value {
    let Outcome { case, played, differences } = outcome;
    let differences: Vec<Value> = differences
        .iter()
        .map(|one| {
            json!({"path": one.path, "expected": one.expected, "found": one.found, "because": one.because})
        })
        .collect();
    json!({
        "name": case.name,
        "at": case.at,
        "passed": differences.is_empty(),
        "differences": differences,
        "calls": played.as_ref().map(|played| played.calls.len()),
        "seconds": played.as_ref().map(|played| played.took.as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_tests() {
        assert!(summary(1, 0).contains("1 test passed") && summary(12, 0).contains("12 tests passed"));
        assert!(summary(3, 1).contains("1 of 3 tests failed"));
    }
}
