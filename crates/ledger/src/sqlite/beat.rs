//! How the writer is doing, for whoever measures it: how long commits take, how many failed, how many commands
//! wait. The ledger knows nothing of metrics; one listener is told of each commit.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

/// One commit, or the failure of one.
#[derive(Debug, Clone, Copy)]
pub struct Beat {
    /// From the beginning of the transaction to its end.
    pub took: Duration,
    /// Commands that shared it.
    pub commands: usize,
    /// Whether it is on disk.
    pub committed: bool,
}

type Told = Box<dyn Fn(Beat) + Send + Sync>;

/// Who is told.
#[derive(Default)]
pub(super) struct Listener(OnceLock<Told>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Listener {
    /// Tells this one from now on, unless there is one already.
    pub(super) fn listen(&self, told: impl Fn(Beat) + Send + Sync + 'static) {
        drop(self.0.set(Box::new(told)));
    }

    pub(super) fn tell(&self, beat: Beat) {
        if let Some(told) = self.0.get() {
            told(beat);
        }
    }
}
