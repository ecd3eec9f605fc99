//! Interline: ledger.
