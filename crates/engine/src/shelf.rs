//! Where what is in force stands, to be taken as a snapshot and swapped whole. Whoever took a snapshot
//! keeps it to the end of what they do with it; nobody ever sees half of a change.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// A value that is replaced as a whole while others read it.
pub(crate) struct Shelf<T>(RwLock<Arc<T>>);

impl<T> Shelf<T> {
    /// A shelf with this on it.
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// What is in force now. The lock is held for the count alone.
    pub(crate) fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts something else there and returns what stood there before.
    pub(crate) fn swap(&self, value: Arc<T>) -> Arc<T> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_stays_as_it_was_taken() {
        let shelf = Shelf::new(1);
        let before = shelf.now();
        assert_eq!(*shelf.swap(Arc::new(2)), 1);
        assert_eq!((*before, *shelf.now()), (1, 2));
    }
}
