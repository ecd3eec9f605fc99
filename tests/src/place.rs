//! A folder with a configuration and a ledger. Servers come and go in it; the ledger stays.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::binary::{binary, debug_binary};
use crate::server::Server;

/// A folder in which the program runs.
#[derive(Debug)]
pub struct Place {
    folder: Arc<TempDir>,
    environment: Vec<(String, String)>,
    program: Option<PathBuf>,
}

/// Keeps the settings of whoever runs the tests from a command; what it is to have comes after this.
pub fn deaf(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("INTERLINE_")) {
            command.env_remove(name);
        }
    }
    command
}

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Both outputs.
    pub fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl Place {
    /// A folder whose server is open to this machine; `config` is everything but `[server]` and `[ledger]`.
    pub fn new(config: &str) -> Self {
        Self::with("auth = \"off\"", config)
    }

    /// The same with further keys of `[server]`; `listen` is a free port of loopback.
    pub fn with(server: &str, config: &str) -> Self {
        let place = Self::empty();
        let ledger = place.path("interline.db");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{server}\n[ledger]\nurl = \"sqlite:{}\"\n{config}",
            ledger.display()
        );
        place.write("config.toml", text.as_bytes());
        place
    }

    /// A folder with nothing in it.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder: Arc::new(folder), environment: Vec::new(), program: None }
    }

    /// Sets a variable of the environment for everything that runs here.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The variables that were set.
    pub fn variables(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Runs the debug build from now on.
    #[must_use]
    pub fn debug_build(mut self) -> Self {
        self.program = Some(debug_binary());
        self
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("a writable temporary folder");
        path
    }

    /// Writes other providers, routes and what comes after them; `[server]` and `[ledger]` stay.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn reconfigure(&self, config: &str) {
        let path = self.path("config.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration of this place");
        let kept = text.split_inclusive('\n').take_while(|line| !line.starts_with("[providers."));
        let text = format!("{}{config}", kept.collect::<String>());
        let next = self.write("config.next", text.as_bytes());
        // As editors do it: the file is never half there.
        std::fs::rename(next, path).expect("the configuration is put in place");
    }

    /// The program, to be run in this folder, deaf to the settings of whoever runs the tests.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.program.clone().unwrap_or_else(binary));
        deaf(&mut command).current_dir(self.folder.path()).envs(self.environment.iter().cloned());
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, b"")
    }

    /// The same with something on standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input closes it, and that is no error here.
            stdin.write_all(input).ok();
        }
        let output = child.wait_with_output().expect("the binary ends");
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    #[track_caller]
    pub fn serve(&self) -> Server {
        Server::start(self, &[])
    }

    /// The same with further options of `serve`.
    ///
    /// # Panics
    /// When it does not become ready.
    #[track_caller]
    pub fn serve_with(&self, options: &[&str]) -> Server {
        Server::start(self, options)
    }

    /// Starts the server with further variables; none when it ended before it was ready, which is what
    /// one does that is to be killed at a named place.
    #[track_caller]
    pub fn try_serve(&self, variables: &[(&str, &str)]) -> Option<Server> {
        Server::try_start(self, &[], variables)
    }

    /// The folder, to be kept as long as anything runs in it.
    pub(crate) fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }
}
