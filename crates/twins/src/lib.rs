//! Interline: twins.
