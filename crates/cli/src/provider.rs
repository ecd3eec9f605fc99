//! `interline provider`: whether messages can go to each vendor account, why not, and holding one back.
//!
//! What keeps a provider from sending stands out in the table by colour and, for those who see none, in a
//! sentence below it.

use std::process::ExitCode;
use std::time::Duration;

use crate::api::{ClassAnswer, ProbeAnswer, ProviderAnswer, ProviderPage, RateAnswer};
use crate::args::{Common, OneProvider, Provider, ProviderVerb, Target};
use crate::client::{Answer, Client, encoded};
use crate::output::{
    BOLD, Cell, DIM, Failed, ODD, Rows, cell, count, faint_cell, fields, grouped, json, line, note, paint,
    state_cell, status_cell, status_style, tame,
};

/// Runs the verb.
pub(crate) async fn run(args: &Provider, common: &Common) -> Result<ExitCode, Failed> {
    match &args.verb {
        ProviderVerb::List { target } => list(target, common).await,
        ProviderVerb::Show(one) => one_shown(one, common).await,
        ProviderVerb::Pause(one) => steer(one, "pause", common).await,
        ProviderVerb::Resume(one) => steer(one, "resume", common).await,
        ProviderVerb::Probe(one) => probe(one, common).await,
    }
}

async fn list(target: &Target, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(target)?;
    let answer = client.get("/v1/providers").await?;
    if common.json {
        json(&answer.value()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let page: ProviderPage = answer.read()?;
    let mut providers = page.providers.into_iter().map(typed).collect::<Result<Vec<_>, _>>()?;
    if providers.is_empty() {
        note("no providers; add one to the configuration as [providers.NAME]");
        return Ok(ExitCode::SUCCESS);
    }
    providers.sort_by(|one, other| one.name.cmp(&other.name));
    let mut rows = Rows::new(&["provider", "vendor", "dialect", "state", "breaker", "waiting", "in flight"])
        .right([5, 6])
        .shed([2, 6, 1, 4]);
    for provider in &providers {
        rows.add(row(provider));
    }
    rows.show();
    let troubles: Vec<String> = providers.iter().flat_map(|provider| troubles(&client, provider)).collect();
    if !troubles.is_empty() {
        line("");
        troubles.iter().for_each(|trouble| line(format!("{} {trouble}", paint(ODD, "!"))));
    }
    Ok(ExitCode::SUCCESS)
}

fn typed(value: serde_json::Value) -> Result<ProviderAnswer, Failed> {
    serde_json::from_value(value).map_err(|error| {
        Failed::new(format!("cannot read what the server says of a provider: {error}"))
            .next("is the server of this version? --json shows what it says")
    })
}

fn row(provider: &ProviderAnswer) -> Vec<Cell> {
    let loud = |cell: Cell, usual: &str, word: &str| {
        if word == usual { cell } else { cell.bold() }
    };
    let breaker = match provider.breaker.as_str() {
        "closed" => faint_cell("closed"),
        word => loud(status_cell(word), "closed", word),
    };
    vec![
        cell(&provider.name),
        cell(&provider.vendor),
        provider.dialect.as_deref().map_or_else(|| faint_cell("?"), cell),
        loud(status_cell(&provider.state), "ready", &provider.state),
        breaker,
        cell(grouped(provider.waiting)),
        cell(format!("{}/{}", provider.in_flight, provider.in_flight_limit)),
    ]
}

/// What keeps a provider from sending, and what to do about it.
fn troubles(client: &Client, provider: &ProviderAnswer) -> Vec<String> {
    let name = paint(BOLD, &provider.name);
    let mut said = Vec::new();
    if provider.state == "paused" {
        said.push(format!("{name} is paused: {}", let_go(client, &provider.name)));
    }
    if provider.breaker == "open" {
        let until = left(provider.breaker_until.as_deref());
        let next = until.map_or_else(String::new, |left| format!("; it is asked again in {left}"));
        let why = provider.trouble.as_deref().map_or_else(|| "its server does not answer".to_owned(), tame);
        said.push(format!("{name} gets no calls: {why}{next}"));
    } else if let Some(trouble) = &provider.trouble {
        said.push(format!("{name}: {}", tame(trouble)));
    }
    for class in &provider.classes {
        if let Some(left) = left(class.frozen_until.as_deref()) {
            said.push(format!("{name} sends no {} calls for {left}: the vendor asked for it", class.name));
        }
    }
    said
}

fn let_go(client: &Client, name: &str) -> String {
    format!("{} lets it send", client.hint(&format!("provider resume {name}")))
}

/// How long it is until a moment; none when that has passed or cannot be read.
fn left(until: Option<&str>) -> Option<String> {
    let until: jiff::Timestamp = until?.parse().ok()?;
    let left = Duration::try_from(until.duration_since(jiff::Timestamp::now())).ok()?;
    let whole = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
    (!whole.is_zero()).then(|| humantime::format_duration(whole).to_string())
}

async fn one_shown(one: &OneProvider, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(&one.target)?;
    let page: ProviderPage = client.get("/v1/providers").await?.read()?;
    let is_it = |value: &&serde_json::Value| value["name"] == one.name.as_str();
    let Some(found) = page.providers.iter().find(is_it) else {
        return Err(missing(&one.name, &page));
    };
    if common.json {
        json(found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let provider = typed(found.clone())?;
    write_whole(&provider);
    if provider.state == "paused" {
        note(let_go(&client, &provider.name));
    }
    Ok(ExitCode::SUCCESS)
}

fn missing(name: &str, page: &ProviderPage) -> Failed {
    let mut known: Vec<&str> = page.providers.iter().filter_map(|value| value["name"].as_str()).collect();
    known.sort_unstable();
    let next = if known.is_empty() {
        "there are none; add one to the configuration".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    Failed::new(format!("there is no provider {name:?}")).next(next)
}

fn title(provider: &ProviderAnswer) -> String {
    let state = paint(status_style(&provider.state), &provider.state);
    format!("{}  {state}", paint(BOLD, &provider.name))
}

fn write_whole(provider: &ProviderAnswer) {
    line(title(provider));
    let dialect = match (provider.dialect.as_deref(), provider.dialect_setting.as_deref()) {
        (Some(spoken), Some("auto")) => format!("{spoken} (found out)"),
        (Some(spoken), _) => spoken.to_owned(),
        (None, _) => "not known yet".to_owned(),
    };
    let breaker = match left(provider.breaker_until.as_deref()) {
        Some(left) if provider.breaker == "open" => format!("open, for {left}"),
        _ => provider.breaker.clone(),
    };
    let timeout = humantime::format_duration(Duration::from_millis(provider.timeout_ms));
    let calls = format!(
        "{} under way, {} at most, {timeout} each at most",
        provider.in_flight, provider.in_flight_limit
    );
    fields([
        ("vendor", Some(cell(&provider.vendor))),
        ("address", Some(cell(&provider.base_url))),
        ("dialect", Some(cell(dialect))),
        ("breaker", Some(state_cell(&provider.breaker, &breaker))),
        ("trouble", provider.trouble.as_ref().map(|why| cell(why).styled(ODD))),
        ("waiting", Some(cell(format!("{} in memory", count(provider.waiting, "message"))))),
        ("calls", Some(cell(calls))),
        ("accepted", provider.accepted_means.as_ref().map(|what| faint_cell(format!("means {what}")))),
    ]);
    if provider.classes.is_empty() {
        return;
    }
    let mut rows = Rows::new(&["class", "calls", "messages", "in a call", "frozen"]).right([3]);
    for class in &provider.classes {
        rows.add(class_row(class));
    }
    line("");
    rows.show();
}

fn class_row(class: &ClassAnswer) -> Vec<Cell> {
    let frozen = left(class.frozen_until.as_deref());
    vec![
        cell(&class.name),
        cell(rate(class.calls)),
        cell(rate(class.messages)),
        cell(grouped(class.messages_per_call)),
        frozen.map_or_else(|| faint_cell("no"), |left| cell(left).styled(ODD)),
    ]
}

fn rate(rate: Option<RateAnswer>) -> String {
    let Some(RateAnswer { count, per_ms }) = rate else { return "no limit".to_owned() };
    let number = grouped(count);
    match per_ms {
        1_000 => format!("{number}/s"),
        60_000 => format!("{number}/min"),
        _ => format!("{number} in {}", humantime::format_duration(Duration::from_millis(per_ms))),
    }
}

async fn asked(client: &Client, one: &OneProvider, verb: &str) -> Result<Answer, Failed> {
    let path = format!("/v1/providers/{}/{verb}", encoded(&one.name));
    let answer = client.post(&path, "").await;
    answer.map_err(|failed| {
        failed.or_next(|| format!("{} shows the providers there are", client.hint("provider list")))
    })
}

/// Holds a provider or lets it go, and shows what it is now.
async fn steer(one: &OneProvider, verb: &str, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(&one.target)?;
    let answer = asked(&client, one, verb).await?;
    if common.json {
        json(&answer.value()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let provider = typed(answer.value()?)?;
    let calls = count(provider.in_flight, "call");
    line(format!("{}  {}", title(&provider), paint(DIM, format!("{calls} under way"))));
    note(match provider.state.as_str() {
        "paused" => format!("messages for it wait; {}", let_go(&client, &provider.name)),
        _ => format!("see how it goes with {}", client.hint(&format!("provider show {}", provider.name))),
    });
    Ok(ExitCode::SUCCESS)
}

/// Asks a provider's server; one that cannot be reached is exit code 1.
async fn probe(one: &OneProvider, common: &Common) -> Result<ExitCode, Failed> {
    let client = Client::new(&one.target)?;
    let answer = asked(&client, one, "probe").await?;
    let found: ProbeAnswer = answer.read()?;
    if common.json {
        json(&answer.value()?)?;
    } else {
        let (style, word) = if found.reachable {
            (status_style("ready"), "answers")
        } else {
            (status_style("open"), "no answer")
        };
        let speaks = match (&found.dialect, found.reachable) {
            (Some(dialect), true) => format!(", speaks {dialect}"),
            (None, true) => ", in no dialect that is known".to_owned(),
            (_, false) => String::new(),
        };
        line(format!("{}  {}{speaks}", paint(BOLD, &found.provider), paint(style, word)));
        if !found.reachable {
            note(format!(
                "is its server up, and under that address? {} tells the address",
                client.hint(&format!("provider show {}", one.name))
            ));
        }
    }
    Ok(if found.reachable { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::DEFAULT_SERVER;
    use serde_json::json as object;

    fn provider(more: &serde_json::Value) -> ProviderAnswer {
        let mut value = object!({"name": "ne", "vendor": "netease", "base_url": "http://127.0.0.1:9504",
            "state": "ready", "breaker": "closed", "in_flight_limit": 16, "timeout_ms": 10_000});
        for (name, given) in more.as_object().into_iter().flatten() {
            value[name] = given.clone();
        }
        typed(value).unwrap()
    }

    #[test]
    fn what_keeps_a_provider_from_sending_is_a_sentence() {
        let client = Client::at(DEFAULT_SERVER, None).unwrap();
        let plain = |more| {
            let said = troubles(&client, &provider(&more)).join("\n");
            crate::output::plain(&said)
        };
        assert_eq!(plain(object!({})), "");
        let paused = plain(object!({"state": "paused"}));
        assert_eq!(paused, "ne is paused: `interline provider resume ne` lets it send");
        let open = plain(object!({"breaker": "open", "trouble": "connection refused"}));
        assert_eq!(open, "ne gets no calls: connection refused");
        let frozen = plain(object!({"classes": [{"name": "room", "frozen_until": "2999-01-01T00:00:00Z"}]}));
        assert!(frozen.starts_with("ne sends no room calls for "), "{frozen}");
    }

    #[test]
    fn rates_are_written_as_people_say_them() {
        let said = [(100, 1_000), (1_200, 60_000), (3, 10_000)]
            .map(|(count, per_ms)| rate(Some(RateAnswer { count, per_ms })));
        assert_eq!(said, ["100/s", "1,200/min", "3 in 10s"]);
        assert_eq!(rate(None), "no limit");
    }

    #[test]
    fn moments_that_have_passed_are_not_shown() {
        assert_eq!(left(Some("2001-01-01T00:00:00Z")), None);
        assert_eq!(left(Some("soon")), None);
        assert_eq!(left(None), None);
    }
}
