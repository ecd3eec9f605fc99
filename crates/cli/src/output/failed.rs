//! Why a command did not do what was asked, and what to do next: text for people, one JSON object for programs,
//! always on standard error.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{BAD, LINK, is_json, note, paint, program_note, tame};

/// The exit code that says that somebody pressed Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command did not do what was asked, and what to do next.
#[derive(Debug)]
pub(crate) struct Failed {
    said: String,
    next: Option<String>,
    exit: u8,
    code: Option<String>,
    status: Option<u16>,
    errors: Vec<Value>,
}

impl Failed {
    /// Usage or refused: exit code 2.
    pub(crate) fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), next: None, exit: 2, code: None, status: None, errors: Vec::new() }
    }

    /// Adds what to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds what to do next, unless something is said already.
    pub(crate) fn or_next(mut self, next: impl FnOnce() -> String) -> Self {
        self.next = self.next.or_else(|| Some(next()));
        self
    }

    /// Says which status of a server this comes from.
    pub(crate) const fn of(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Says in a word what it is, for programs.
    pub(crate) fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds the wrong fields, for programs.
    pub(crate) fn errors(mut self, errors: Vec<Value>) -> Self {
        self.errors = errors;
        self
    }

    /// The status of the server that refused it; none when no server did.
    pub(crate) const fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether a server refused it for this parameter.
    pub(crate) fn blames(&self, parameter: &str) -> bool {
        self.status == Some(400) && self.errors.iter().any(|error| error["path"] == parameter)
    }

    /// Exit code 1: it was done, and not everything went well.
    pub(crate) const fn partly(mut self) -> Self {
        self.exit = 1;
        self
    }

    /// Another exit code.
    pub(crate) const fn exit(mut self, exit: u8) -> Self {
        self.exit = exit;
        self
    }

    /// Writes it to standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if is_json() {
            program_note(self.value());
            return ExitCode::from(self.exit);
        }
        let said: Vec<String> = self.said.lines().map(tame).collect();
        if self.exit == INTERRUPTED {
            note(said.join("\n"));
        } else {
            note(format!("{} {}", paint(BAD.bold(), "error:"), said.join("\n")));
        }
        for line in self.next.iter().flat_map(|next| next.lines()) {
            note(format!("  {} {line}", paint(LINK, "→")));
        }
        ExitCode::from(self.exit)
    }

    fn value(&self) -> Value {
        let next: Vec<&str> = self.next.iter().flat_map(|next| next.lines()).collect();
        json!({"error": {
            "code": self.code.as_deref().unwrap_or("failed"),
            "message": self.said,
            "next": next,
            "status": self.status,
            "errors": self.errors,
            "exit": self.exit,
        }})
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        format!("{} | {}", self.said, self.next.as_deref().unwrap_or_default())
    }
}
