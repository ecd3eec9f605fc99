//! Interline: the netease adapter.
