//! Interline: the openim adapter.
