//! Ctrl-C in a command that asks a server: it ends at once with exit code 130, and says what goes on without it.

use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

use crate::output::{Failed, INTERRUPTED};

#[derive(Default)]
struct Left {
    said: Option<(String, String)>,
    bar: Option<ProgressBar>,
}

static LEFT: Mutex<Left> = Mutex::new(Left { said: None, bar: None });

fn with_left<T>(change: impl FnOnce(&mut Left) -> T) -> T {
    change(&mut LEFT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What is to be said of what is under way, and what to do next, should it be interrupted from now on.
pub(crate) fn leaves(said: impl Into<String>, next: impl Into<String>) {
    with_left(|left| left.said = Some((said.into(), next.into())));
}

/// The bar that is on the terminal; none when it is gone.
pub(crate) fn shows(bar: Option<ProgressBar>) {
    with_left(|left| left.bar = bar);
}

/// Ends the process at the first interrupt. Runs beside the command, so that it also ends one that reads.
pub(crate) async fn watch() {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    let (said, bar) = with_left(|left| (left.said.take(), left.bar.take()));
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let failed = match said {
        Some((said, next)) => Failed::new(format!("interrupted: {said}")).next(next),
        None => Failed::new("interrupted"),
    };
    failed.code("interrupted").exit(INTERRUPTED).report();
    std::process::exit(i32::from(INTERRUPTED));
}
