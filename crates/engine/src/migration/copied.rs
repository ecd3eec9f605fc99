//! What follows for messages of which there are two, one for each provider: the first stays with the provider that
//! its route names and the copy with the new one, whatever is turned, drained or reloaded meanwhile. Elsewhere
//! its people would get it twice.

use std::sync::Arc;

use interline_core::error::{ErrorCode, Failure};
use interline_core::id::made_ms;
use interline_core::message::Message;
use interline_core::route::{Choice, Moment};

use super::{COPIES, Migration, MigrationSettings, Migrations};
use crate::intake::Fallback;
use crate::provider::Book;

/// What copies of a migration are forced to. It tells all by itself: the migration may be gone before they are.
pub(super) fn name_of(settings: &MigrationSettings) -> String {
    format!("{COPIES}{}:{}", settings.name, settings.to)
}

/// Migration and provider of copies, by what their batch is forced to; none where it is no copy.
fn parts(forced: &str) -> Option<(&str, &str)> {
    forced.strip_prefix(COPIES)?.split_once(':')
}

/// The provider that a copy was made for, by what its batch is forced to; none where it is no copy.
pub(crate) fn made_for(forced: &str) -> Option<&str> {
    parts(forced).map(|(_, provider)| provider)
}

impl Migrations {
    /// The migration that copies were made for, by what their batch is forced to.
    pub(crate) fn of_copy(&self, forced: &str) -> Option<&Arc<Migration>> {
        self.by_name.get(parts(forced)?.0)
    }
}

impl Migration {
    /// Whether a copy may have been made of what came with this batch.
    fn has_copies_of(&self, batch_id: &str) -> bool {
        made_ms(batch_id).is_some_and(|at_ms| self.state().was_both(at_ms))
    }

    /// Who stands in for the old provider where the new one has a copy: everybody else.
    pub(crate) fn beside_copy(&self, fallback: Fallback) -> Fallback {
        let to = &self.settings.to;
        match fallback {
            Some(names) if names.contains(to) => {
                Some(names.iter().filter(|name| *name != to).cloned().collect())
            }
            same => same,
        }
    }
}

impl Book {
    /// Where a message goes that was taken earlier. One that has a copy is not turned.
    pub(crate) fn choose_again(
        &self,
        message: &Message,
        (batch_id, app, forced): (&str, &str, Option<&str>),
        now_ms: i64,
    ) -> Option<Choice<'_>> {
        let choice = self.routes.choose(message, app, forced, &self.moment(now_ms))?;
        let turned = choice.migration.and_then(|name| self.migrations.named(name));
        if turned.is_some_and(|migration| migration.has_copies_of(batch_id)) {
            return self.routes.choose(message, app, forced, &Moment::at(now_ms));
        }
        Some(choice)
    }

    /// The migration of a choice, if what came with this batch may have a copy at its new provider.
    pub(crate) fn copied(&self, batch_id: &str, choice: Option<&Choice<'_>>) -> Option<&Arc<Migration>> {
        let choice = choice?;
        let migration = self.migrations.of_choice(&choice.route.name, choice.picked)?;
        migration.has_copies_of(batch_id).then_some(migration)
    }

    /// Why a provider must not get a message: its people would have it twice.
    pub(crate) fn twice(
        &self,
        (batch_id, forced): (&str, Option<&str>),
        choice: Option<&Choice<'_>>,
        to: &str,
    ) -> Option<Failure> {
        let detail = if let Some(own) = forced.and_then(made_for) {
            (own != to).then(|| format!("a copy made for {own} does not go to {to}, which had the first"))
        } else {
            let migration = self.copied(batch_id, choice)?;
            (*migration.settings.to == *to)
                .then(|| format!("{to} got a copy of it from the migration {}", migration.settings.name))
        };
        Some(Failure::not_sent(ErrorCode::NotRoutable, detail?).for_good())
    }
}
