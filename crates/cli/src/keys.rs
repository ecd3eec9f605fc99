//! `interline keys`: makes keys for apps. The key is shown once; the configuration holds its hash only.

use std::process::ExitCode;

use serde_json::json;

use crate::args::{Common, Keys, KeysVerb};
use crate::output::{BOLD, Failed, json as print_json, line, note, paint};

/// Runs the verb.
pub(crate) fn run(args: &Keys, common: &Common) -> Result<ExitCode, Failed> {
    let KeysVerb::New { name } = &args.verb;
    let made = interline_gateway::keys::new(name)
        .map_err(|error| Failed::new(format!("cannot make a key: {error}")))?;
    if common.json {
        print_json(&json!({"app": name, "key": made.key, "key_sha256": made.sha256, "config": made.config}))?;
        return Ok(ExitCode::SUCCESS);
    }
    note("The app's key, shown this once; keep it like a password:\n");
    line(paint(BOLD, &made.key));
    note("\nFor the configuration (it holds only the key's hash):\n");
    line(made.config.trim_end());
    note(
        "\nThe app sends it as `Authorization: Bearer KEY`; this command reads it from INTERLINE_KEY or --key.",
    );
    Ok(ExitCode::SUCCESS)
}
