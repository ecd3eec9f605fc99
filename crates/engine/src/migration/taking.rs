//! What migrations hear of the messages that a request hands over, and of none that only a plan looks at: in
//! shadow they are shown, and where both are to get them copies are made.

use std::sync::Arc;

use interline_core::migration::Phase;
use interline_core::options::Results;
use interline_ledger::{Ledger, NewBatch, NewCopy};

use super::{Copies, Migration, Shadow, Shown};
use crate::denied::Denied;
use crate::direct::Prepared;
use crate::engine::Engine;
use crate::intake::Routed;
use crate::provider::Book;

/// Messages that are shown at once, at most.
const AT_ONCE: usize = 512;

/// The messages of one batch, for the migrations that have a say in them.
#[derive(Debug)]
pub(crate) struct Taking {
    batch: Arc<str>,
    shown: Vec<Shown>,
    /// What copies are made of; none where there are to be none.
    original: Option<NewBatch>,
    /// By migration, which are one or two.
    pub(crate) copies: Vec<Copies>,
    /// Messages for a new provider whose server was not there.
    missed: Vec<(Arc<Migration>, u32)>,
}

impl Taking {
    /// Nothing of this batch yet. Copies are made if any migration is to deliver to both now.
    pub(crate) fn of(book: &Book, batch: &NewBatch) -> Self {
        let both = book.migrations.all().any(|migration| migration.phase() == Phase::Both);
        Self { original: both.then(|| batch.clone()), ..Self::again(&batch.id) }
    }

    /// The same for messages that were handed over before: their copies were made then.
    pub(crate) fn again(batch_id: &str) -> Self {
        Self {
            batch: batch_id.into(),
            shown: Vec::new(),
            original: None,
            copies: Vec::new(),
            missed: Vec::new(),
        }
    }

    /// Hears of a message that can be sent; `results` is what the batch defaults to.
    pub(crate) fn hear(&mut self, book: &Book, routed: &Routed<'_>, text: &str, results: Results) {
        self.hear_again(book, routed, text, (results, None));
    }

    /// The same for one that was handed over before, where it was then: if that was copied, this is not.
    fn hear_again(
        &mut self,
        book: &Book,
        routed: &Routed<'_>,
        text: &str,
        (results, before_ms): (Results, Option<i64>),
    ) {
        let Some(migration) = routed.migration else { return };
        if migration.misses(&routed.provider.settings.name) {
            match self.missed.iter_mut().find(|(known, _)| Arc::ptr_eq(known, migration)) {
                Some((_, count)) => *count += 1,
                None => self.missed.push((Arc::clone(migration), 1)),
            }
        }
        match migration.phase() {
            Phase::Shadow => self.shown.push(Shown {
                migration: Arc::clone(migration),
                message: Arc::clone(&routed.message),
                results: routed.message.results(results),
                on_loss: routed.terms.on_loss,
                batch: Arc::clone(&self.batch),
            }),
            Phase::Both => {
                let there = routed.provider.settings.name == migration.settings.to;
                if there || before_ms.is_some_and(|before_ms| migration.copied(before_ms)) {
                    return;
                }
                let Some(original) = &self.original else { return };
                let known = |copies: &Copies| Arc::ptr_eq(&copies.migration, migration);
                if !self.copies.iter().any(known) {
                    self.copies.extend(Copies::of(migration, book, original));
                }
                if let Some(copies) = self.copies.iter_mut().find(|copies| known(copies)) {
                    copies.add(routed, text, results);
                }
            }
            Phase::Off | Phase::Ramp | Phase::Done | Phase::RolledBack => {}
        }
    }

    /// Whether there are as many parcels of copies as are staged at once.
    pub(crate) fn is_much(&self, parcels: usize) -> bool {
        self.copies.iter().any(|copies| copies.rows.done.len() >= parcels)
    }

    /// Nothing more is heard.
    pub(crate) fn finish(&mut self) {
        self.copies.iter_mut().for_each(|copies| copies.rows.finish());
    }

    /// Stores the parcels of copies that are full, out of sight until their uploads end.
    pub(crate) async fn stage(&mut self, ledger: &Ledger) -> Result<(), Denied> {
        for copies in &mut self.copies {
            let rows = std::mem::take(&mut copies.rows.done);
            if rows.is_empty() {
                continue;
            }
            if !copies.staged {
                ledger.stage(copies.batch().clone()).await?;
                copies.staged = true;
            }
            ledger.stage_parcels(copies.id(), rows).await?;
        }
        Ok(())
    }

    /// The uploads of copies that were begun.
    pub(crate) fn staged(&self) -> impl Iterator<Item = &str> {
        self.copies.iter().filter(|copies| copies.staged).map(Copies::id)
    }

    /// The copies of all that was heard, to be stored with their batch.
    pub(crate) fn whole(&mut self) -> Arc<[NewCopy]> {
        self.copies.iter_mut().map(Copies::whole).collect()
    }

    /// Shows what was heard so far, where it is much.
    pub(crate) fn show_some(&mut self, shadow: &Shadow) {
        if self.shown.len() >= AT_ONCE {
            self.show(shadow);
        }
    }

    fn show(&mut self, shadow: &Shadow) {
        shadow.show(std::mem::take(&mut self.shown));
    }
}

impl Engine {
    /// Passes on what was heard of messages that were stored.
    pub(crate) fn heard(&self, mut taking: Taking) {
        taking.show(&self.inner.shadow);
        for copies in &taking.copies {
            self.stored(&copies.rows);
        }
        for (migration, count) in taking.missed {
            migration.missed(count);
        }
    }

    /// What migrations hear of the messages of a send that are to leave; `before_ms` tells when one was handed
    /// over that did not arrive then.
    pub(crate) fn taking(
        &self,
        prepared: &Prepared<'_>,
        batch: &NewBatch,
        before_ms: impl Fn(usize) -> Option<i64>,
    ) -> Taking {
        let book = self.book();
        let mut taking = Taking::of(&book, batch);
        for index in prepared.members.iter().flat_map(|(_, members)| members) {
            if let (Some(Ok(routed)), Some(text)) = (prepared.routed.get(*index), prepared.texts.get(*index))
            {
                taking.hear_again(&book, routed, text.get(), (prepared.results, before_ms(*index)));
            }
        }
        taking
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use interline_core::ids::Ids;
    use interline_core::migration::{Gates, Order};
    use interline_core::options::Validation;
    use interline_core::read::{self, Path};
    use interline_core::route::{Route, Routes, Target, When};

    use super::super::MigrationSettings;
    use super::*;
    use crate::direct;
    use crate::engine;
    use crate::intake::{self, Intake, Wrong};
    use crate::settings::{Delivery, EngineSettings, ProviderSettings};
    use crate::view::Caller;

    fn provider(name: &str) -> ProviderSettings {
        ProviderSettings {
            name: name.into(),
            vendor: &interline_wukongim::VENDOR,
            base_url: "http://127.0.0.1:9".to_owned(),
            dialect: Some("published".to_owned()),
            settings: serde_json::json!({"default_sender": "system"}).as_object().cloned().unwrap(),
            in_flight: None,
            timeout: None,
            limits: std::collections::BTreeMap::new(),
            ids: Ids::default(),
        }
    }

    fn settings() -> EngineSettings {
        let route = Route {
            name: "all".into(),
            when: When::default(),
            target: Target::Provider("old".into()),
            fallback: None,
            on_loss: None,
            guarantee: None,
        };
        let migration = MigrationSettings {
            name: "m".into(),
            route: "all".into(),
            from: "old".into(),
            to: "new".into(),
            gates: Gates::default(),
            cohort: None,
        };
        EngineSettings {
            providers: vec![provider("old"), provider("new")],
            routes: Routes::new(vec![route]),
            migrations: vec![migration],
            delivery: Delivery::default(),
            vendors: vec![&interline_wukongim::VENDOR],
            max_batch_messages: 10,
            callbacks: crate::callback::CallbackSettings::default(),
        }
    }

    /// What is heard of two messages that are not stored yet.
    fn taken(engine: &Engine) -> Taking {
        let book = engine.book();
        let body = r#"{"content":{"type":"text","text":"x"},"messages":[{"to":"user:a"},{"to":"user:b"}]}"#;
        let document = read::read_document(body).unwrap();
        let head_text = read::head_text(&document);
        let (now_ms, mut wrong) = (crate::clock::now_ms(), Wrong::default());
        let id = engine::new_batch_id(now_ms);
        let head = intake::head(&book, &id, &head_text, Path::Root(""), &mut wrong).unwrap();
        let caller = Caller { app: "shop".into(), broadcast: false };
        let intake = Intake::new(&book, &caller, &id, &head);
        let prepared =
            direct::prepare(&intake, document.messages.unwrap(), Validation::Permissive, &mut wrong);
        let row = engine::new_batch(&id, "shop", &head, &head_text, now_ms);
        engine.taking(&prepared, &row, |_| None)
    }

    async fn start(settings: EngineSettings) -> Engine {
        Engine::start(settings, Ledger::open("sqlite::memory:").await.unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_not_stored_is_no_failure_of_the_new_provider() {
        let engine = start(settings()).await;
        engine.order_migration("m", Order::Start { both: false }).await.unwrap();
        engine.order_migration("m", Order::Ramp(100)).await.unwrap();
        let book = engine.book();
        let migration = book.migrations.named("m").unwrap();
        migration.unreachable.store(true, Ordering::Relaxed);
        let rejected = || migration.counts().window.sum(crate::clock::now_ms()).rejected;
        let taking = taken(&engine);
        assert_eq!(rejected(), 0, "its marks may be another message's");
        engine.heard(taking);
        assert_eq!(rejected(), 2);
    }

    #[tokio::test]
    async fn the_new_provider_gets_no_copy_of_what_it_gets_anyway() {
        for (drains, copies) in [(vec![], 1), (vec![("old".into(), "new".into())], 0)] {
            let mut settings = settings();
            settings.routes = settings.routes.draining(drains.into_iter().collect());
            let engine = start(settings).await;
            engine.order_migration("m", Order::Start { both: true }).await.unwrap();
            assert_eq!(taken(&engine).copies.len(), copies);
        }
    }
}
