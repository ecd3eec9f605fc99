//! Interline: engine.
