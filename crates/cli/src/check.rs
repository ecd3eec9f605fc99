//! `interline check`: is the configuration sound, and do the providers' servers answer?
//!
//! Probing uses only requests that reach nobody: those that tell a vendor's dialects apart, or just a
//! connection where a vendor has one dialect only.

mod diff;

use std::process::ExitCode;

use hyper::Method;
use interline_core::adapter::{Reply, Request};
use interline_engine::ProviderSettings;
use serde_json::json;

use crate::args::{Check, Common};
use crate::client::{Client, Silence, whole};
use crate::output::{
    BAD, BOLD, Failed, GOOD, ODD, Rows, cell, count, faint_cell, json as print_json, line, paint, status_cell,
};
use crate::serve;

/// What asking a provider's server told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Finding {
    /// It speaks this dialect.
    Speaks(&'static str),
    /// It answers; what it speaks cannot be told, or there is only one thing to speak.
    Answers,
    /// Nobody answers.
    Silent(String),
}

/// Runs the verb.
pub(crate) async fn run(args: &Check, common: &Common) -> Result<ExitCode, Failed> {
    let config = serve::loaded(common)?;
    if args.diff {
        return diff::run(&config, &args.target, common.json).await;
    }
    let settings = config.engine_settings().map_err(|errors| serve::wrong(&errors))?;
    let warnings = config.warnings();
    let mut found = Vec::new();
    if args.probe {
        for provider in &settings.providers {
            found.push((provider, probe(provider).await?));
        }
    }
    let bad = found.iter().any(|(provider, finding)| !is_well(provider.dialect.as_deref(), finding));
    if common.json {
        let probes: Vec<_> = found.iter().map(|(provider, finding)| as_json(provider, finding)).collect();
        print_json(&json!({"file": config.file, "warnings": warnings, "probes": probes}))?;
        return Ok(ExitCode::from(u8::from(bad)));
    }
    let sound = format!(
        "{}, {}, {}",
        count(config.providers.len() as u64, "provider"),
        count(config.routes.len() as u64, "route"),
        count(config.apps.len() as u64, "app")
    );
    line(format!("{} {} is sound: {sound}", paint(GOOD, "✓"), paint(BOLD, config.file.display())));
    for warning in &warnings {
        line(format!("{} {warning}", paint(ODD, "!")));
    }
    if args.probe {
        let mut rows =
            Rows::new(&["provider", "vendor", "address", "state", "dialect"]).shed([1, 2]).flow([4]);
        for (provider, finding) in &found {
            let (answers, dialect) = said(provider.dialect.as_deref(), finding);
            let status = if is_well(provider.dialect.as_deref(), finding) { "ready" } else { "unknown" };
            rows.add([
                cell(&provider.name),
                cell(provider.vendor.name),
                faint_cell(&provider.base_url),
                if status == "ready" { status_cell(status) } else { cell(answers).styled(BAD) },
                cell(dialect),
            ]);
        }
        line("");
        rows.show();
    }
    Ok(ExitCode::from(u8::from(bad)))
}

fn as_json(provider: &ProviderSettings, finding: &Finding) -> serde_json::Value {
    let (speaks, error) = match finding {
        Finding::Speaks(dialect) => (Some(*dialect), None),
        Finding::Answers => (None, None),
        Finding::Silent(why) => (None, Some(why)),
    };
    json!({"provider": provider.name, "vendor": provider.vendor.name, "base_url": provider.base_url,
        "configured": provider.dialect.as_deref().unwrap_or("auto"), "speaks": speaks, "error": error})
}

/// Whether messages can be sent as configured.
fn is_well(configured: Option<&str>, finding: &Finding) -> bool {
    match finding {
        Finding::Speaks(dialect) => configured.is_none_or(|configured| configured == *dialect),
        Finding::Answers => true,
        Finding::Silent(_) => false,
    }
}

fn said(configured: Option<&str>, finding: &Finding) -> (String, String) {
    let configured = configured.unwrap_or("auto");
    match finding {
        Finding::Speaks(dialect) if configured == "auto" || configured == *dialect => {
            ("yes".to_owned(), format!("{dialect} ({configured})"))
        }
        Finding::Speaks(dialect) => (
            "otherwise".to_owned(),
            format!("{dialect}, but {configured} is configured: set dialect = \"{dialect}\""),
        ),
        Finding::Answers => ("yes".to_owned(), configured.to_owned()),
        Finding::Silent(why) => ("no".to_owned(), why.clone()),
    }
}

/// Asks the questions that tell the dialects apart, one after another, until the answer is known.
async fn probe(provider: &ProviderSettings) -> Result<Finding, Failed> {
    let client = Client::at(&provider.base_url, None)?;
    let mut replies = Vec::new();
    let mut silence = None;
    let only = (provider.vendor.recognise)(&replies);
    for request in (provider.vendor.probes)(&provider.settings) {
        match asked(&client, &request).await {
            Ok(reply) => replies.push(Some(reply)),
            Err(Silence::Unreached(why)) => return Ok(Finding::Silent(why)),
            Err(Silence::Lost(why)) => {
                silence = Some(why);
                replies.push(None);
            }
        }
        if let Some(dialect) = (provider.vendor.recognise)(&replies) {
            return Ok(Finding::Speaks(dialect));
        }
    }
    if replies.is_empty() {
        silence = client.ask(Method::GET, "/", &[], whole("")).await.err().map(|silence| match silence {
            Silence::Unreached(why) | Silence::Lost(why) => why,
        });
    } else if replies.iter().any(Option::is_some) {
        silence = None;
    }
    let answers = only.map_or(Finding::Answers, Finding::Speaks);
    Ok(silence.map_or(answers, Finding::Silent))
}

async fn asked(client: &Client, request: &Request) -> Result<Reply, Silence> {
    let method = if request.method == "GET" { Method::GET } else { Method::POST };
    let headers: Vec<(&'static str, &str)> =
        request.headers.iter().map(|header| (header.name, header.value.as_str())).collect();
    let answer = client.ask(method, &request.path, &headers, whole(request.body.clone())).await?;
    Ok(Reply {
        status: answer.status.as_u16(),
        retry_after: answer.retry_after(),
        body: answer.body.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_dialect_than_configured_is_not_well() {
        assert!(is_well(None, &Finding::Speaks("v2")));
        assert!(is_well(Some("v2"), &Finding::Speaks("v2")));
        assert!(!is_well(Some("v3"), &Finding::Speaks("v2")));
        assert!(!is_well(None, &Finding::Silent("connection refused".to_owned())));
        assert!(said(Some("v3"), &Finding::Speaks("v2")).1.contains("set dialect = \"v2\""));
    }
}
