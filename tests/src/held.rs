//! A ledger that stands still, for tests that block.

use std::path::Path;

use interline_testkit::held;
use tokio::runtime::Runtime;

/// Keeps everybody else from writing until it goes out of scope.
#[derive(Debug)]
pub struct HeldLedger {
    held: Option<held::HeldLedger>,
    runtime: Runtime,
}

impl HeldLedger {
    /// Takes the only place of a writer.
    ///
    /// # Panics
    /// When it is not to be had within five seconds.
    pub fn of(file: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let held = Some(runtime.block_on(held::HeldLedger::of(file)));
        Self { held, runtime }
    }
}

impl Drop for HeldLedger {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.runtime.block_on(held.let_go());
        }
    }
}
