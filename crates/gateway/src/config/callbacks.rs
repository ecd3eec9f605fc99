//! `[callbacks]`, and what apps sign theirs with: how receivers are told what became of batches. A change counts
//! from the next attempt on.

use std::fmt;
use std::time::Duration;

use interline_engine::{CallbackSettings, Secret};
use ipnet::{IpNet, Ipv4Net};

use super::file::Table;
use super::{secrets, section};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MILLI: Duration = Duration::from_millis(1);
/// Most retries of one event.
const MOST_RETRIES: usize = 20;

/// What callbacks of an app are signed with, as the file has it and looked up.
#[derive(Clone)]
pub struct CallbackSecret {
    pub(super) written: String,
    pub(super) secret: Result<Secret, String>,
}

impl fmt::Debug for CallbackSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackSecret(…)")
    }
}

/// Reads `callback_secrets` of an app. One that stands elsewhere and is missing is an error for who serves.
pub(super) fn callback_secrets(table: &Table<'_>) -> Vec<CallbackSecret> {
    let mut found = Vec::new();
    for written in table.words("callback_secrets").unwrap_or_default() {
        let secret = match secrets::look_up(&written, table.source()) {
            Ok(text) => match Secret::read(&text) {
                Ok(secret) => Ok(secret),
                Err(why) => {
                    table.wrong("callback_secrets", format!("a secret {why}"));
                    continue;
                }
            },
            Err(missing) => Err(missing),
        };
        if written.is_empty() {
            table.wrong("callback_secrets", "a secret is empty");
            continue;
        }
        found.push(CallbackSecret { written, secret });
    }
    found
}

/// Reads `[callbacks]`, without secrets.
pub(super) fn callbacks(root: &Table<'_>) -> CallbackSettings {
    let mut settings = CallbackSettings::default();
    let Some(table) = section(root, "callbacks") else { return settings };
    for text in table.words("allow_private").unwrap_or_default() {
        match text.parse::<IpNet>() {
            Ok(net) => settings.allow_private.push(plain(net)),
            Err(_) => table.wrong(
                "allow_private",
                format!("{text:?} is no block of addresses; write one like \"10.0.0.0/8\" or \"fd00::/8\""),
            ),
        }
    }
    let timeout = table.duration("timeout", Duration::from_millis(100)..=Duration::from_secs(60));
    settings.timeout = timeout.unwrap_or(settings.timeout);
    if let Some(words) = table.words("retries") {
        settings.retries = retries(&table, &words);
    }
    let disable_after = table.duration("disable_after", Duration::from_secs(1)..=365 * DAY);
    settings.disable_after = disable_after.unwrap_or(settings.disable_after);
    table.done();
    settings
}

/// A block as addresses are compared: IPv4 written within IPv6 is IPv4.
fn plain(net: IpNet) -> IpNet {
    let mapped = match net {
        IpNet::V6(six) => six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let four = mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    four.map_or(net, IpNet::V4).trunc()
}

fn retries(table: &Table<'_>, words: &[String]) -> Vec<Duration> {
    if words.len() > MOST_RETRIES {
        table.wrong("retries", format!("are {}; allowed are {MOST_RETRIES}", words.len()));
    }
    let mut retries = Vec::with_capacity(words.len());
    for word in words {
        match humantime::parse_duration(word) {
            Ok(pause) if (MILLI..=7 * DAY).contains(&pause) => retries.push(pause),
            Ok(_) => table.wrong("retries", format!("{word:?} is out of range; allowed is 1ms to 7d")),
            Err(_) => {
                table.wrong("retries", format!("{word:?} is no time; write one with its unit, like \"30m\""));
            }
        }
    }
    retries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_ipv4_within_ipv6_is_one_of_ipv4() {
        for (written, meant) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:127.0.0.1/128", "127.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("fd00::7/8", "fd00::/8"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(plain(written.parse().unwrap()).to_string(), meant, "{written}");
        }
    }
}
