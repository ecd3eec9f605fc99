//! A document's fenced blocks, with the markers that stand before them.

use std::path::Path;

/// A Markdown file.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its path in the repository.
    pub name: String,
    /// All of it.
    pub text: String,
    /// Its fenced blocks, in order.
    pub blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    /// The first word behind the fence, such as `sh`.
    pub language: String,
    /// What stands in it.
    pub text: String,
    /// What the comments before it ask for.
    pub markers: Vec<Marker>,
    /// Whether nothing but blank lines stands between it and the block before.
    pub follows: bool,
}

/// What a comment asks of the reader who is a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// It cannot run in a test, because of this.
    NotRun(String),
    /// Its commands may fail: that is what it shows.
    Fails(String),
    /// First stop what runs in another terminal under this verb.
    Stop(String),
    /// It runs in a terminal of its own until the end; once it listens on this port, one goes on.
    Beside(u16),
    /// Numbers in it differ from run to run.
    FiguresVary,
    /// It shows something that is not what the commands before it print.
    NotOutput(String),
}

impl Marker {
    /// Reads `<!-- test: … -->`.
    ///
    /// # Panics
    /// When the comment asks for what nobody knows.
    fn read(line: &str) -> Option<Self> {
        let said = line.trim().strip_prefix("<!-- test:")?.strip_suffix("-->")?.trim();
        let (word, rest) = said.split_once(':').unwrap_or((said, ""));
        let reason = || {
            assert!(rest.trim().len() > 8, "a marker without a reason: {line}");
            rest.trim().to_owned()
        };
        Some(match word {
            "not run" => Self::NotRun(reason()),
            "fails" => Self::Fails(reason()),
            "not output" => Self::NotOutput(reason()),
            "figures vary" => Self::FiguresVary,
            _ if said.starts_with("stop ") => Self::Stop(said.trim_start_matches("stop ").to_owned()),
            _ => {
                let port = said.strip_prefix("runs beside, on port ").and_then(|port| port.parse().ok());
                Self::Beside(port.unwrap_or_else(|| panic!("nobody knows this marker: {line}")))
            }
        })
    }
}

impl Block {
    /// Whether it holds commands.
    pub fn is_commands(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "bash" | "console" | "shell" | "sql")
    }

    /// The commands: all of it, of a `console` block what stands behind the prompts, and `sql` as asked of
    /// the ledger.
    pub fn commands(&self) -> String {
        if self.language == "sql" {
            return format!("sqlite3 -readonly -bail interline.db <<'END'\n{}END\n", self.text);
        }
        if self.language != "console" {
            return self.text.clone();
        }
        let mut commands = String::new();
        let mut goes_on = false;
        for line in self.text.lines() {
            let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix("> ").filter(|_| goes_on));
            let Some(command) = command else { continue };
            goes_on = true;
            commands.push_str(command);
            commands.push('\n');
        }
        commands
    }

    /// What a `console` block shows as printed.
    pub fn shown(&self) -> String {
        let printed = self.text.lines().filter(|line| !line.starts_with("$ ") && !line.starts_with("> "));
        printed.map(|line| format!("{line}\n")).collect()
    }

    /// Why it is not run, where it is not.
    pub fn not_run(&self) -> Option<&str> {
        self.markers.iter().find_map(|marker| match marker {
            Marker::NotRun(why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// How many commands it holds: lines that begin one, here-documents and continuations aside.
    pub fn count(&self) -> usize {
        let mut count = 0;
        let mut until: Option<String> = None;
        let mut goes_on = false;
        let mut quoted = false;
        for line in self.commands().lines() {
            if let Some(end) = &until {
                if line.trim() == end {
                    until = None;
                }
                continue;
            }
            let begins = !goes_on && !quoted && !line.trim().is_empty() && !line.trim().starts_with('#');
            count += usize::from(begins && !matches!(line.trim(), "done" | "fi" | ")" | "}"));
            if let Some((_, word)) = line.split_once("<<") {
                let word = word.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
                until = Some(word.trim_matches(['\'', '"']).to_owned());
            }
            if line.matches('\'').count() % 2 == 1 {
                quoted = !quoted;
            }
            goes_on = line.ends_with('\\') || line.ends_with('|') || line.ends_with("&&");
        }
        count
    }
}

impl Document {
    /// Reads one.
    ///
    /// # Panics
    /// When it cannot be read, or a fence has no end.
    pub(super) fn read(root: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("a document is text");
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let blocks = blocks(&name, &text);
        Self { name, text, blocks }
    }

    /// The blocks that are to be run.
    pub fn commands(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.is_commands() && block.not_run().is_none())
    }

    /// What stands outside fenced blocks, line by line.
    pub fn prose(&self) -> Vec<&str> {
        let mut fenced = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                lines.push(line);
            }
        }
        lines
    }
}

fn blocks(name: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut markers = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    let mut follows = false;
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if let Some((block, depth)) = &mut open {
            if line.trim() != "```" {
                block.text.push_str(line.get((*depth).min(indent)..).unwrap_or_default());
                block.text.push('\n');
            } else if let Some((block, _)) = open.take() {
                blocks.push(block);
                follows = true;
            }
        } else if let Some(language) = line.trim_start().strip_prefix("```") {
            let language = language.split_whitespace().next().unwrap_or_default().to_owned();
            let markers = std::mem::take(&mut markers);
            open = Some((Block { line: at + 1, language, text: String::new(), markers, follows }, indent));
        } else if let Some(marker) = Marker::read(line) {
            markers.push(marker);
        } else if !line.trim().is_empty() {
            assert!(markers.is_empty(), "{name}:{}: a marker has to stand right before a block", at + 1);
            follows = false;
        }
    }
    assert!(open.is_none(), "{name}: a block has no end");
    blocks
}
