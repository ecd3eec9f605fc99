//! What is ordered of migrations, and what they show.

use interline_core::migration::Phase;
use interline_core::schema::{closed, nullable, text, whole, word};
use serde_json::{Value, json};

use super::{Schemas, count, list, named, number, open, time, with};

pub(super) fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    let mut add = |name: &str, schema| schemas.insert(name.to_owned(), schema);
    add("Phase", phase());
    add("StartMigration", start());
    add("SetMigration", set());
    add("Migration", migration());
    let all = json!({ "migrations": list(named("Migration"), "All that are configured.") });
    add("Migrations", open("All migrations.", &[], all));
    add("MigrationReport", report());
    schemas
}

fn start() -> Value {
    let phase = word(&["shadow", "both"], "With what it begins; by default `shadow`.");
    closed("How it begins.", &[], json!({ "phase": phase }))
}

fn set() -> Value {
    let percent = closed(
        "A share of the recipients.",
        &["percent"],
        json!({ "percent": whole((0, 100), "How many of a hundred recipients are at the new provider.") }),
    );
    let both = json!({ "phase": word(&["both"], "Everything goes to both providers.") });
    json!({
        "description": "A share of the recipients, or both providers.",
        "oneOf": [percent, closed("Both providers.", &["phase"], both)],
    })
}

fn phase() -> Value {
    let words: Vec<&str> = Phase::ALL.iter().map(|phase| phase.as_str()).collect();
    word(&words, "Where it stands.")
}

fn migration() -> Value {
    let gates = open(
        "When it rolls itself back. One that is `null` never trips.",
        &[],
        json!({
            "rejected_percent": nullable(number("More rejected than this.")),
            "unknown_percent": nullable(number("More unknown than this.")),
            "p95_ms": nullable(count("Slower than this.")),
            "min_messages": count("After so many answers."),
        }),
    );
    let cohort = json!({ "file": text("The file."), "recipients": count("How many it names.") });
    open(
        "A migration and where it stands.",
        &[],
        json!({
            "name": text("Its name."), "route": text("The route whose traffic moves."),
            "from": text("The old provider."), "to": text("The new one."), "phase": named("Phase"),
            "percent": whole((0, 100), "How many percent of the recipients are at the new provider."),
            "since": nullable(time("Since when.")), "gates": gates,
            "cohort": nullable(open("Who may be moved; `null` is everybody.", &[], cohort)),
        }),
    )
}

fn report() -> Value {
    let side = || {
        open(
            "What one provider answered.",
            &[],
            json!({
                "provider": text("The provider."), "messages": count("Messages that were tried there."),
                "accepted": count("Answers."), "rejected": count("Answers."), "unknown": count("Answers."),
                "p50_ms": nullable(count("Half of the calls took no longer.")),
                "p95_ms": nullable(count("95 percent of the calls took no longer.")),
            }),
        )
    };
    let sides = json!({ "from": side(), "to": side() });
    let window = open(
        "What the gates are held against.",
        &[],
        json!({
            "seconds": count("How far it reaches back."), "answers": count("Of the new provider."),
            "rejected_percent": number("Of them."), "unknown_percent": number("Of them."),
            "p95_ms": nullable(count("95 percent of the calls took no longer.")),
        }),
    );
    let step = json!({
        "at": time("When."), "phase": named("Phase"), "percent": whole((0, 100), "From then on."),
        "why": nullable(text("Why, where a gate made it.")),
    });
    let more = json!({
        "shadow": shadow(), "sides": open("Both providers.", &[], sides), "window": window,
        "history": list(open("A change.", &[], step), "The last changes, newest first."),
    });
    with(&migration(), "What a migration found, moved and saw.", &more)
}

fn shadow() -> Value {
    let sample = json!({ "batch": text("Its batch."), "message": text("Its id.") });
    let cause = json!({
        "code": named("ErrorCode"), "path": text("Where in the message."),
        "detail": nullable(text("What its app was told; for an `admin`.")), "count": count("Messages."),
        "sample": nullable(open("One of them; for an `admin`.", &[], sample)),
    });
    let loss = json!({
        "field": text("What is lost."), "from": count("Messages that lose it at the old provider."),
        "to": count("Messages that would lose it at the new one."),
        "only_from": count("At the old one alone."), "only_to": count("At the new one alone."),
    });
    open(
        "What the new provider would make of the traffic.",
        &[],
        json!({
            "messages": count("Messages that it was shown."), "refused": count("It would have refused."),
            "with_losses": count("Would go with losses."), "skipped": count("Too many came at once."),
            "causes": list(open("Why some would be refused.", &[], cause), "The most frequent first."),
            "other_causes": count("Messages that would be refused for yet other causes."),
            "losses": list(open("Who loses a field.", &[], loss), "By field."),
        }),
    )
}
