//! Interline: core.
