//! Migrations: where they stand, what is ordered of them, what they found.

use serde_json::json;

use super::{Operation, examples};
use crate::config::Scope;
use crate::problem::Code;

const TAG: &str = "Migrations";

impl Operation {
    fn of_migration(self) -> Self {
        self.tag(TAG)
            .path("name", "The migration's name in the configuration.", "wk-to-oim")
            .refuses(&[Code::NotFound])
    }
}

fn orders(operation: Operation) -> Operation {
    operation
        .scopes(&[Scope::Admin])
        .of_migration()
        .answer(200, "The migration as it stands then.", "Migration", Some(examples::MIGRATION))
        .refuses(&[Code::InvalidBody, Code::BrokenBody, Code::IdleBody, Code::TooLarge])
        .refuses(&[Code::Conflict, Code::Unavailable])
}

pub(crate) fn migrations() -> Operation {
    Operation::new("listMigrations", "What moves from one provider to another")
        .tag(TAG)
        .scopes(&[Scope::Read])
        .answer(200, "All migrations.", "Migrations", Some(examples::MIGRATIONS))
}

pub(crate) fn migration() -> Operation {
    Operation::new("getMigration", "One migration").scopes(&[Scope::Read]).of_migration().answer(
        200,
        "The migration.",
        "Migration",
        Some(examples::MIGRATION),
    )
}

pub(crate) fn start_migration() -> Operation {
    orders(Operation::new("startMigration", "Begins a migration"))
        .text("Nothing moves yet: the new provider is only shown the messages.")
        .optional_body(
            "StartMigration",
            &json!({
                "shadow": { "summary": "Look first", "value": {} },
                "both": { "summary": "Deliver to both", "value": { "phase": "both" } },
            }),
        )
}

pub(crate) fn set_migration() -> Operation {
    orders(Operation::new("setMigration", "Moves so many percent of the recipients")).body(
        "SetMigration",
        &json!({
            "quarter": { "summary": "A quarter", "value": { "percent": 25 } },
            "both": { "summary": "Deliver to both", "value": { "phase": "both" } },
        }),
    )
}

pub(crate) fn roll_back_migration() -> Operation {
    orders(Operation::new("rollBackMigration", "Brings everything back"))
}

pub(crate) fn finish_migration() -> Operation {
    orders(Operation::new("finishMigration", "Ends a migration, once everybody has moved"))
}

pub(crate) fn migration_report() -> Operation {
    Operation::new("getMigrationReport", "What was found, what both providers answered, what was done")
        .scopes(&[Scope::Read])
        .of_migration()
        .answer(200, "The report.", "MigrationReport", Some(examples::REPORT))
}
