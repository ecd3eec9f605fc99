//! Interline: the imkit adapter.
