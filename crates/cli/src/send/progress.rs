//! How far it is: a bar on a terminal, a line a second elsewhere; always on standard error.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::interrupt;
use crate::output::note;

const BETWEEN_LINES: Duration = Duration::from_secs(1);

/// One thing that is under way.
#[derive(Debug)]
pub(crate) struct Progress {
    label: &'static str,
    bar: Option<ProgressBar>,
    written: Instant,
}

impl Progress {
    /// Begins; without a `total` the bar only turns.
    pub(crate) fn new(label: &'static str, total: Option<u64>) -> Self {
        let bar = can_draw().then(|| bar(label, total));
        interrupt::shows(bar.clone());
        Self { label, bar, written: Instant::now() }
    }

    /// Shows how far it is, and `said` beside it.
    pub(crate) fn at(&mut self, place: u64, said: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(said.to_owned());
                bar.set_position(place);
            }
            None if self.written.elapsed() >= BETWEEN_LINES => {
                self.written = Instant::now();
                note(format!("{} {said}", self.label));
            }
            None => {}
        }
    }

    /// Writes a line beside it.
    pub(crate) fn aside(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Ends and leaves nothing on the terminal.
    pub(crate) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            interrupt::shows(None);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}

/// Whether there is a terminal, and one that can go back in its line.
fn can_draw() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

fn bar(label: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{prefix:>9} {bar:24.cyan/dim} {percent:>3}%  {wide_msg}"),
        None => (ProgressBar::new_spinner(), "{prefix:>9} {spinner:.cyan}  {wide_msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("━━╌"));
    bar.set_prefix(label);
    if total.is_none() {
        bar.enable_steady_tick(Duration::from_millis(100));
    }
    bar
}
