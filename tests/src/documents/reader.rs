//! A reader who follows a document from top to bottom, in a folder that looks like a fresh clone, in one
//! shell. What a person would leave running in another terminal runs beside, and is stopped by its id.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::compare::missing;
use super::parse::{Block, Document, Marker};
use super::ports::Ports;
use super::root;
use crate::binary::binary;
use crate::wait::holds_within;

/// How long a document may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Stand-ins for what a reader types: each does what it says at its head.
const STAND_INS: [(&str, &str); 4] = [
    ("interline", include_str!("reader/interline.sh")),
    ("cargo", include_str!("reader/cargo.sh")),
    ("curl", include_str!("reader/curl.sh")),
    ("stop-beside", include_str!("reader/stop.sh")),
];

/// What came of following a document.
#[derive(Debug, Default)]
pub struct Followed {
    /// How many commands were run.
    pub commands: usize,
    /// How many pieces of output were compared.
    pub compared: usize,
    /// What went otherwise than the document says.
    pub wrong: Vec<String>,
}

/// Follows a document.
///
/// # Panics
/// When there is no shell, no `curl`, or no place to write.
pub fn follow(document: &Document) -> Followed {
    let place = tempfile::tempdir().expect("a temporary folder");
    let (clone, notes) = (place.path().join("interline"), place.path().join("notes"));
    fs::create_dir_all(&notes).expect("a writable temporary folder");
    let mut ports = Ports::free();
    furnish(&clone, &notes, &mut ports);
    let blocks: Vec<&Block> = document.blocks.iter().filter(|block| block.is_commands()).collect();
    let run: Vec<(usize, &Block)> =
        blocks.into_iter().enumerate().filter(|(_, block)| block.not_run().is_none()).collect();
    for (number, block) in &run {
        let text = ports.applied(&block.commands());
        fs::write(notes.join(format!("block.{number}")), text).expect("a writable temporary folder");
    }
    let script = notes.join("script");
    fs::write(&script, spoken(&run, &notes, &mut ports)).expect("a writable temporary folder");
    let mut shell = shell(&clone, &notes, &mut ports).arg(&script).spawn().expect("bash");
    let ended = holds_within(PATIENCE, || matches!(shell.try_wait(), Ok(Some(_))));
    end(&mut shell, &notes);

    let mut followed =
        Followed { commands: run.iter().map(|(_, block)| block.count()).sum(), ..Followed::default() };
    if !ended {
        followed.wrong.push(format!("it did not end within {PATIENCE:?}"));
    }
    let errors = fs::read_to_string(notes.join("errors")).unwrap_or_default();
    for (number, block) in &run {
        let out = fs::read(notes.join(format!("out.{number}")));
        let at = format!("{}:{}", document.name, block.line);
        let Ok(out) = out else {
            followed.wrong.push(format!("{at}: it was not reached"));
            continue;
        };
        let out = ports.undone(&String::from_utf8_lossy(&out));
        let may_fail = block.markers.iter().any(|marker| matches!(marker, Marker::Fails(_)));
        let mine = errors.lines().filter_map(|line| line.strip_prefix(&format!("{number} ")));
        let mine: Vec<_> = mine.map(|line| ports.undone(line)).collect();
        if !mine.is_empty() && !may_fail {
            followed.wrong.push(format!("{at}: {}\n{out}", mine.join("\n  ")));
        }
        if mine.is_empty() && may_fail {
            followed.wrong.push(format!("{at}: it is said to fail, and did not\n{out}"));
        }
        for shown in shown_after(document, block) {
            followed.compared += 1;
            let text = if shown.is_commands() { shown.shown() } else { shown.text.clone() };
            if let Some(line) = missing(shown, &text, &out) {
                let at = format!("{}:{}", document.name, shown.line);
                followed.wrong.push(format!("{at}: this line did not come out:\n{line}\nbut:\n{out}"));
            }
        }
    }
    followed
}

/// What a document shows of what a block prints: in itself behind prompts, or in the `text` and `json` blocks
/// up to the next commands (`json` only right behind them).
fn shown_after<'d>(document: &'d Document, block: &'d Block) -> Vec<&'d Block> {
    let mut shown = Vec::new();
    if block.language == "console" && !block.shown().trim().is_empty() {
        shown.push(block);
    }
    let behind = document.blocks.iter().skip_while(|other| other.line <= block.line);
    for other in behind.take_while(|other| !other.is_commands()) {
        let excused = other.markers.iter().any(|marker| matches!(marker, Marker::NotOutput(_)));
        let output = other.language == "text" || other.language == "json" && other.follows;
        if output && !excused {
            shown.push(other);
        }
    }
    shown
}

/// Lays out the folder: what a clone has that documents use, and the stand-ins.
fn furnish(clone: &Path, notes: &Path, ports: &mut Ports) {
    copy(&root().join("examples"), &clone.join("examples"), ports);
    copy(&root().join("docs"), &clone.join("docs"), ports);
    let config = fs::read_to_string(root().join("config.toml")).expect("the shipped configuration");
    fs::write(clone.join("config.toml"), ports.applied(&config)).expect("a writable temporary folder");
    let bin = notes.join("bin");
    fs::create_dir_all(&bin).expect("a writable temporary folder");
    for (name, text) in STAND_INS {
        let path = bin.join(name);
        fs::write(&path, text).expect("a writable temporary folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a file of its own");
    }
    let built = clone.join("target/release");
    fs::create_dir_all(&built).expect("a writable temporary folder");
    symlink(bin.join("interline"), built.join("interline")).expect("a writable temporary folder");
}

fn copy(from: &Path, to: &Path, ports: &mut Ports) {
    fs::create_dir_all(to).expect("a writable temporary folder");
    for entry in fs::read_dir(from).expect("a folder of the repository").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to, ports);
        } else if let Ok(text) = fs::read_to_string(&path) {
            fs::write(to, ports.applied(&text)).expect("a writable temporary folder");
        }
    }
}

/// The whole of what is typed, block by block, each with its output in a file of its own.
fn spoken(run: &[(usize, &Block)], notes: &Path, ports: &mut Ports) -> String {
    let mut script = String::from(
        "set -o pipefail -E\nshopt -s expand_aliases\n\
         trap 's=$?; [[ $BASH_COMMAND == \"source $NOTES\"* ]] || echo \"$BLOCK it ended with $s: $BASH_COMMAND\" >>\"$NOTES/errors\"' ERR\n",
    );
    for (number, block) in run {
        writeln!(script, "export BLOCK={number}").expect("a string");
        for marker in &block.markers {
            if let Marker::Stop(what) = marker {
                writeln!(script, "stop-beside {what}").expect("a string");
            }
        }
        let beside = block.markers.iter().find_map(|marker| match marker {
            Marker::Beside(port) => Some(ports.of(*port)),
            _ => None,
        });
        let (source, out) = (notes.join(format!("block.{number}")), notes.join(format!("out.{number}")));
        let (source, out) = (source.display(), out.display());
        if let Some(port) = beside {
            writeln!(
                script,
                "setsid bash {source} >{out} 2>&1 & echo \"group beside $!\" >>$NOTES/beside\n\
                 for i in $(seq 200); do (: </dev/tcp/127.0.0.1/{port}) 2>/dev/null && break || sleep 0.05; done"
            )
            .expect("a string");
        } else {
            writeln!(script, "exec >{out} 2>&1\nsource {source}").expect("a string");
        }
    }
    script
}

fn shell(clone: &Path, notes: &Path, ports: &mut Ports) -> Command {
    let mut command = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("INTERLINE_")) {
            command.env_remove(name);
        }
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .current_dir(clone)
        .env("PATH", format!("{}:{path}", notes.join("bin").display()))
        .env("REAL_PATH", path)
        .env("REAL_INTERLINE", binary().canonicalize().expect("the binary"))
        .env("NOTES", notes)
        .env("HOME", notes.parent().unwrap_or(notes))
        .env("LC_ALL", "C.UTF-8")
        .env("COLUMNS", "100")
        .env("TWINS_BASE", ports.of(9500).to_string())
        .env("INTERLINE_SERVER", format!("http://127.0.0.1:{}", ports.of(8400)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Ends the shell and whatever it left running, each by the id that was noted when it began.
fn end(shell: &mut Child, notes: &Path) {
    shell.kill().ok();
    shell.wait().ok();
    let mut stop = Command::new("bash");
    stop.arg(notes.join("bin/stop-beside")).arg("all").env("NOTES", notes).env("BLOCK", "end");
    stop.status().expect("bash");
}
