//! `interline keys`: makes keys for apps, and lists those of the configuration. A key is shown once; the
//! configuration holds its hash only, of which the first digits are its fingerprint here.

use std::process::ExitCode;

use interline_gateway::config::{App, Auth, NAMES, is_name};
use serde_json::json;

use crate::args::{Common, Keys, KeysVerb};
use crate::output::{
    BOLD, Failed, Rows, cell, count, faint_cell, grouped, json as print_json, line, note, paint,
};
use crate::serve;

/// Digits of a fingerprint.
const DIGITS: usize = 12;

/// Runs the verb.
pub(crate) fn run(args: &Keys, common: &Common) -> Result<ExitCode, Failed> {
    match &args.verb {
        KeysVerb::New { name } => new(name, common),
        KeysVerb::List => list(common),
    }
}

fn new(name: &str, common: &Common) -> Result<ExitCode, Failed> {
    if !is_name(name) {
        return Err(Failed::new(format!("{name:?} is no name for an app")).next(NAMES));
    }
    let made = interline_gateway::keys::new(name)
        .map_err(|error| Failed::new(format!("cannot make a key: {error}")))?;
    if common.json {
        print_json(&json!({"app": name, "key": made.key, "key_sha256": made.sha256,
            "fingerprint": fingerprint(&made.sha256), "config": made.config}))?;
        return Ok(ExitCode::SUCCESS);
    }
    note("The app's key, shown this once; keep it like a password:\n");
    line(paint(BOLD, &made.key));
    note("\nFor the configuration (it holds only the key's hash):\n");
    line(made.config.trim_end());
    note(format!(
        "\nThe app sends it as `Authorization: Bearer KEY`; this command reads it from INTERLINE_KEY or --key.\n\
         `interline keys list` shows it as {}.",
        fingerprint(&made.sha256)
    ));
    Ok(ExitCode::SUCCESS)
}

/// The first digits of a key's hash: enough to tell keys apart, nothing to make one from.
fn fingerprint(sha256: &str) -> String {
    sha256.chars().take(DIGITS).collect()
}

fn fingerprints(app: &App) -> Vec<String> {
    app.keys.iter().map(|key| fingerprint(&hex::encode(key))).collect()
}

fn scopes(app: &App) -> Vec<&'static str> {
    app.may.words().collect()
}

fn list(common: &Common) -> Result<ExitCode, Failed> {
    let config = serve::loaded(common)?;
    if common.json {
        let apps: Vec<_> = config
            .apps
            .iter()
            .map(|app| {
                json!({"app": *app.name, "fingerprints": fingerprints(app), "may": scopes(app),
                    "messages_per_second": app.messages_per_second})
            })
            .collect();
        print_json(&json!({"file": config.file, "apps": apps}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let file = config.file.display();
    if config.apps.is_empty() {
        note(format!("no apps in {file}; `interline keys new NAME` makes a key and the lines for one"));
    } else {
        table(&config.apps).show();
        note(format!(
            "{} in {file}; keys themselves are kept nowhere",
            count(config.apps.len() as u64, "app")
        ));
    }
    if config.server.auth == Auth::Off {
        note("server.auth is \"off\": everybody on this machine may ask, with or without a key");
    }
    Ok(ExitCode::SUCCESS)
}

fn table(apps: &[App]) -> Rows {
    let mut rows = Rows::new(&["app", "key", "may", "messages/s"]).right([3]).shed([3]).flow([2]);
    for app in apps {
        let limit = app.messages_per_second;
        for (place, key) in fingerprints(app).into_iter().enumerate() {
            let first = place == 0;
            rows.add([
                if first { cell(&app.name) } else { cell("") },
                faint_cell(key),
                if first { cell(scopes(app).join(", ")) } else { cell("") },
                match limit.filter(|_| first) {
                    Some(limit) => cell(grouped(u64::from(limit))),
                    None if first => faint_cell("no limit"),
                    None => cell(""),
                },
            ]);
        }
    }
    rows
}
