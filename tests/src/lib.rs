//! End-to-end tests of Interline, through the real binary.
