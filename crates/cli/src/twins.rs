//! `interline twins`: the four emulated vendors, until interrupted.

use std::process::ExitCode;

use interline_twins::{Faults, Twins, TwinsConfig, Vendor};

use crate::args::{self, Common};
use crate::output::{BOLD, DIM, Failed, LINK, json, line, paint};
use crate::serve::interrupted;

/// Runs the verb.
pub(crate) async fn run(args: &args::Twins, common: &Common) -> Result<ExitCode, Failed> {
    let config = config(args)?;
    let twins = Twins::start(config).await.map_err(|error| {
        Failed::new(format!("cannot start the twins: {error}"))
            .next("choose other ports with --port-base N, or free ones with --port-base 0")
    })?;
    if common.json {
        let running: Vec<_> = (twins.all().into_iter())
            .map(|twin| serde_json::json!({"vendor": twin.vendor().name(), "dialect": twin.dialect(), "url": twin.url()}))
            .collect();
        json(&running)?;
    } else {
        for twin in twins.all() {
            let (name, dialect) = (twin.vendor().name(), twin.dialect());
            let name = paint(BOLD, format!("{name:<9}"));
            line(format!("{name} {dialect:<10} {}", paint(LINK, twin.url())));
        }
        line(paint(
            DIM,
            "what arrived: GET /_twin/received   faults: POST /_twin/faults   forget: POST /_twin/reset",
        ));
    }
    interrupted().await;
    twins.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn config(args: &args::Twins) -> Result<TwinsConfig, Failed> {
    let mut config = TwinsConfig { port_base: args.port_base, keep: 100_000, ..TwinsConfig::default() };
    for choice in &args.dialect {
        let (vendor, dialect) = choice.split_once('=').ok_or_else(|| {
            Failed::new(format!("cannot read --dialect {choice:?}")).next("write it as wukongim=v3")
        })?;
        let vendor: Vendor = vendor.parse().map_err(|error| {
            Failed::new(format!("cannot read --dialect {choice:?}: {error}")).next("write it as wukongim=v3")
        })?;
        if !vendor.dialects().contains(&dialect) {
            let known = vendor.dialects().join(", ");
            return Err(Failed::new(format!("{vendor} has no dialect {dialect:?}"))
                .next(format!("choose one of {known}")));
        }
        config = config.dialect(vendor, dialect);
    }
    if let Some(path) = &args.faults {
        config.faults = faults(path)?;
    }
    Ok(config)
}

fn faults(path: &std::path::Path) -> Result<Faults, Failed> {
    let name = path.display();
    let wrong = |error: &dyn std::fmt::Display| {
        Failed::new(format!("cannot read {name}: {error}"))
            .next(r#"write a file with faults by vendor: {"wukongim":[{"kind":"hang","count":1}]}"#)
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(dialect: &str) -> args::Twins {
        args::Twins { port_base: 0, dialect: vec![dialect.to_owned()], faults: None }
    }

    #[test]
    fn dialects_are_chosen_by_vendor() {
        let config = config(&args("wukongim=v3")).unwrap();
        assert_eq!(config.dialects.get(&Vendor::WuKongIm).map(String::as_str), Some("v3"));
    }

    #[test]
    fn a_wrong_dialect_says_which_there_are() {
        for (choice, says) in [("wukongim", "wukongim=v3"), ("wukongim=v9", "published"), ("wk=v3", "openim")]
        {
            let failed = config(&args(choice)).unwrap_err();
            assert!(failed.text().contains(says), "{}", failed.text());
        }
    }
}
