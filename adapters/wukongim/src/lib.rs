//! Interline: the wukongim adapter.
