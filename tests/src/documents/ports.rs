//! Ports: documents name the usual ones, a test takes free ones, so that nothing that runs collides.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Which port stands for which, for one document.
#[derive(Debug)]
pub(super) struct Ports {
    /// Of the gateway, 8400 to 8409.
    gateway: u16,
    /// Of the twins, 9500 to 9509.
    twins: u16,
    /// All others.
    others: BTreeMap<u16, u16>,
}

impl Ports {
    pub(super) fn free() -> Self {
        Self { gateway: ten(), twins: ten(), others: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, port: u16) -> u16 {
        match port {
            8400..8410 => self.gateway + (port - 8400),
            9500..9510 => self.twins + (port - 9500),
            _ => *self.others.entry(port).or_insert_with(ten),
        }
    }

    /// The text with this document's ports: what stands behind an address of this machine, or is a port by
    /// the name of its option.
    pub(super) fn applied(&mut self, text: &str) -> String {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        loop {
            let hosts = [
                "127.0.0.1:",
                "localhost:",
                "0.0.0.0:",
                "[::1]:",
                "--port-base ",
                "PORT=",
                "/tcp/127.0.0.1/",
            ];
            let next = hosts.iter().filter_map(|host| Some((rest.find(host)?, host.len())));
            let Some((at, length)) = next.min() else { break };
            let (before, behind) = rest.split_at(at + length);
            let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
            let (number, after) = behind.split_at(digits);
            done.push_str(before);
            match number.parse::<u16>() {
                Ok(port) if port > 0 => done.push_str(&self.of(port).to_string()),
                Ok(_) | Err(_) => done.push_str(number),
            }
            rest = after;
        }
        done.push_str(rest);
        done
    }

    /// What was printed, with the ports that the document names.
    pub(super) fn undone(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for n in 0..10 {
            text = text.replace(&format!(":{}", self.gateway + n), &format!(":{}", 8400 + n));
            text = text.replace(&format!(":{}", self.twins + n), &format!(":{}", 9500 + n));
        }
        for (named, taken) in &self.others {
            text = text.replace(&format!(":{taken}"), &format!(":{named}"));
        }
        text
    }
}

/// The first of ten ports that are free, below those that the system gives to clients.
fn ten() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 1000).unwrap_or_default() * 10;
    for _ in 0..1200 {
        let step = NEXT.fetch_add(10, Ordering::Relaxed);
        let base = 20_000 + (begin.wrapping_add(step)) % 12_000;
        let taken: Vec<_> = (0..10).map(|n| TcpListener::bind((Ipv4Addr::LOCALHOST, base + n))).collect();
        if taken.iter().all(Result::is_ok) {
            return base;
        }
    }
    panic!("no ten free ports in a row");
}
