//! Examples below the options: lines that can be copied.

pub(super) const INTERLINE: &str = "\
Examples:
  interline demo                          all of it, on this machine
  interline serve                         run the gateway with ./config.toml
  interline send batch.json               send a batch, wait, and say what failed
  interline batch list                    what the server has

Exit codes: 0 as asked, 1 done but not everything went well, 2 usage or refused, 130 interrupted.
INTERLINE_SERVER and INTERLINE_KEY say which server, and whose key.";

pub(super) const SERVE: &str = "\
Examples:
  interline serve
  interline serve --config /etc/interline.toml --log-format json
  interline serve --paused                on a ledger that came back from a backup

It stops on Ctrl-C or SIGTERM and reads the configuration again on SIGHUP.
INTERLINE_LOG chooses what is logged: a level, or levels by target.";

pub(super) const DEMO: &str = "\
Examples:
  interline demo              stays up afterwards, for you to try things
  interline demo --once       for scripts";

pub(super) const SEND: &str = "\
Examples:
  interline send batch.json
  interline send people.csv --text 'Hi $name$, order $no$ has shipped'
  generate | interline send - --format ndjson --no-wait
  interline send batch.json --json | jq .counts

Exit codes: 0 all accepted (or stored, with --no-wait), 1 some not, 2 refused and nothing sent.";

pub(super) const PLAN: &str = "\
Examples:
  interline plan batch.json               plans here, from the configuration
  interline plan batch.json --explain
  interline plan batch.json --server http://127.0.0.1:8400

The server that --server or INTERLINE_SERVER names plans it. Where none is named, or --config is
given, it is planned here and no server is needed.";

pub(super) const CHECK: &str = "\
Examples:
  interline check
  interline check --probe                 do the vendors' servers answer?
  interline check --diff                  is this file what the server has in force?";

pub(super) const TEST: &str = "\
Examples:
  interline test
  interline test rooms fallback           those with one of these words in their names

Nothing is sent, no server is asked, and no secret is needed. Exit code 1 if a test fails.";

pub(super) const BATCH: &str = "\
Examples:
  interline batch list --state sending
  interline batch watch bat_01a1fe1b11c57c98b0b975bdf3f98183
  interline batch redrive bat_01a1fe1b11c57c98b0b975bdf3f98183 --status rejected --wait";

pub(super) const MESSAGES: &str = "\
Examples:
  interline batch messages bat_01a1fe1b11c57c98b0b975bdf3f98183 --status rejected
  interline batch messages bat_01a1fe1b11c57c98b0b975bdf3f98183 --limit 1000 --json";

pub(super) const REDRIVE: &str = "\
Examples:
  interline batch redrive bat_01a1fe1b11c57c98b0b975bdf3f98183 --status rejected
  interline batch redrive bat_01a1fe1b11c57c98b0b975bdf3f98183 --message m1 --patch '{\"on_loss\":\"degrade\"}'";

pub(super) const MIGRATION: &str = "\
Examples:
  interline migration start wk-to-oim     nothing moves yet
  interline migration report wk-to-oim    what would be refused or lost
  interline migration set wk-to-oim 25    a quarter of the recipients
  interline migration rollback wk-to-oim";

pub(super) const LEDGER: &str = "\
Examples:
  interline ledger status
  interline ledger copy backup.db         a backup, while the server runs
  interline ledger migrate --dry-run";

pub(super) const TWINS: &str = "\
Examples:
  interline twins
  interline twins --port-base 0 --dialect wukongim=v3
  interline twins --faults faults.json    {\"wukongim\":[{\"kind\":\"hang\",\"count\":1}]}";

pub(super) const COMPLETIONS: &str = "\
Examples:
  bash        echo 'source <(interline completions bash)' >> ~/.bashrc
  zsh         echo 'source <(interline completions zsh)' >> ~/.zshrc
  fish        interline completions fish > ~/.config/fish/completions/interline.fish
  powershell  interline completions powershell >> $PROFILE
  elvish      interline completions elvish >> ~/.elvish/rc.elv

Batches, providers, migrations, apps and tests are completed too: the shell asks this command,
and it asks the server, for at most half a second, and the configuration.";
