//! Interline: gateway.
