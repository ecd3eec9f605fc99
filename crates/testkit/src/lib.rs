//! Interline: testkit.
