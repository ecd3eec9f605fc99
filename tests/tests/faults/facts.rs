//! The two tables of facts: what a vendor can do about a doubt on each way to send, and what a fault means to
//! its caller. What should become of a message follows from them.

use interline_twins::{Fault, FaultKind, Vendor};

/// What a vendor can do about a message that may or may not have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing: a repeat is a second message.
    Stays,
    /// It tells whether the message arrived.
    Askable,
    /// It knows a repeat for what it is.
    Recognised,
}

/// One of a dialect's calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) vendor: Vendor,
    pub(super) dialect: &'static str,
    /// Recipients: the number of a message is put in place of `#`.
    pub(super) to: &'static str,
    pub(super) results: &'static str,
    /// Whether messages share a call.
    pub(super) together: bool,
    pub(super) doubt: Doubt,
}

pub(super) const fn way(name: &'static str, vendor: Vendor, dialect: &'static str, to: &'static str) -> Way {
    Way { name, vendor, dialect, to, results: "each", together: false, doubt: Doubt::Stays }
}

impl Way {
    const fn together(mut self) -> Self {
        self.together = true;
        self
    }

    const fn fast(mut self) -> Self {
        self.results = "fast";
        self.together = true;
        self
    }

    const fn doubt(mut self, doubt: Doubt) -> Self {
        self.doubt = doubt;
        self
    }
}

pub(super) const WAYS: [Way; 16] = [
    way("wukongim published", Vendor::WuKongIm, "published", "user:u#").together(),
    way("wukongim v1 single", Vendor::WuKongIm, "v1", "user:u#"),
    way("wukongim v1 fan-out", Vendor::WuKongIm, "v1", "user:u#").fast(),
    way("wukongim v2 single", Vendor::WuKongIm, "v2", "user:u#").doubt(Doubt::Askable),
    way("wukongim v2 fan-out", Vendor::WuKongIm, "v2", "user:u#").fast(),
    way("wukongim v3", Vendor::WuKongIm, "v3", "user:u#").doubt(Doubt::Recognised),
    way("openim published", Vendor::OpenIm, "published", "user:u#").fast(),
    way("openim v3.8.3 single", Vendor::OpenIm, "v3.8.3", "user:u#").doubt(Doubt::Askable),
    way("openim v3.8.3 batch", Vendor::OpenIm, "v3.8.3", "user:u#").fast(),
    way("openim main single", Vendor::OpenIm, "main", "group:g#").doubt(Doubt::Askable),
    way("openim main batch", Vendor::OpenIm, "main", "user:u#").fast(),
    way("imkit batch", Vendor::ImKit, "v1", "user:u#").together(),
    way("imkit single", Vendor::ImKit, "v1", "group:g#"),
    way("netease rooms", Vendor::NetEase, "v1", "room:7000").together().doubt(Doubt::Recognised),
    way("netease users", Vendor::NetEase, "v1", "user:u#").fast(),
    way("netease singles", Vendor::NetEase, "v1", "user:u#"),
];

/// What a fault means to the caller that it hits once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    /// The vendor surely does not have it, and may take it another time.
    Later,
    /// The vendor's last word.
    No,
    /// A no to the whole call for one message: each goes again in a smaller call.
    Halved,
    /// It may have arrived; whether it did.
    Doubt { arrived: bool },
    /// The vendor took it.
    Taken,
    /// Every second message failed: what that means for those.
    HalfOf(Half),
    /// Not told apart here.
    Skipped,
}

/// What became of every second message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// It was refused.
    No,
    /// It was refused for now.
    Later,
    /// The answer does not name it, and it did not arrive.
    Unnamed,
    /// The answer says how many failed and not which.
    Uncertain,
}

/// A fault under a name.
pub(super) struct Trouble {
    pub(super) name: &'static str,
    pub(super) fault: fn(&Way) -> Fault,
    pub(super) means: fn(&Way) -> Means,
}

const ARRIVED: fn(&Way) -> Means = |_| Means::Doubt { arrived: true };
const NOWHERE: fn(&Way) -> Means = |_| Means::Doubt { arrived: false };

/// Longer than the providers' timeout, and much shorter.
const TOO_SLOW_MS: i64 = 8_000;
const SLOW_MS: i64 = 300;
pub(super) const TIMEOUT: &str = "2s";

pub(super) const TROUBLES: [Trouble; 20] = [
    Trouble { name: "none", fault: |_| Fault::new(FaultKind::Slow).value(1), means: |_| Means::Taken },
    Trouble {
        name: "refuse",
        fault: |_| Fault::new(FaultKind::Refuse).value(5_000),
        means: |_| Means::Later,
    },
    Trouble { name: "hang", fault: |_| Fault::new(FaultKind::Hang), means: ARRIVED },
    Trouble { name: "hang, lost", fault: |_| Fault::new(FaultKind::Hang).undelivered(), means: NOWHERE },
    Trouble { name: "close", fault: |_| Fault::new(FaultKind::CloseAfterRead), means: ARRIVED },
    Trouble {
        name: "close, lost",
        fault: |_| Fault::new(FaultKind::CloseAfterRead).undelivered(),
        means: NOWHERE,
    },
    Trouble { name: "status 500", fault: |_| status(500), means: NOWHERE },
    Trouble { name: "status 502", fault: |_| status(502), means: NOWHERE },
    Trouble { name: "status 503", fault: |_| status(503), means: NOWHERE },
    Trouble { name: "status 401", fault: |_| status(401), means: |_| Means::No },
    Trouble {
        name: "status 404",
        fault: |_| status(404),
        means: |way| match way.vendor {
            // Its 404 is about persons: it may be one of several, and else it is the sender.
            Vendor::ImKit if way.together => Means::Halved,
            Vendor::ImKit => Means::No,
            Vendor::WuKongIm | Vendor::OpenIm | Vendor::NetEase => Means::Later,
        },
    },
    Trouble { name: "status 429", fault: |_| status(429), means: |_| Means::Later },
    Trouble { name: "code, later", fault: |way| code(way, 0), means: |way| of_code(way, 0, Means::Later) },
    Trouble { name: "code, no", fault: |way| code(way, 1), means: |way| of_code(way, 1, Means::No) },
    Trouble {
        name: "code, doubt",
        fault: |way| code(way, 2),
        means: |way| of_code(way, 2, Means::Doubt { arrived: false }),
    },
    Trouble { name: "code, pause", fault: |way| code(way, 3), means: |way| of_code(way, 3, Means::Later) },
    Trouble {
        name: "partial",
        fault: |_| Fault::new(FaultKind::Partial),
        means: |way| Means::HalfOf(half(way)),
    },
    Trouble { name: "slow", fault: |_| Fault::new(FaultKind::Slow).value(SLOW_MS), means: |_| Means::Taken },
    Trouble { name: "too slow", fault: |_| Fault::new(FaultKind::Slow).value(TOO_SLOW_MS), means: ARRIVED },
    Trouble { name: "torn", fault: |_| Fault::new(FaultKind::Torn), means: ARRIVED },
];

pub(super) fn status(status: i64) -> Fault {
    let mut fault = Fault::new(FaultKind::Status).value(status);
    fault.retry_after = (status == 429).then_some(1);
    fault
}

/// The vendors' own codes for: another time, no, who knows, a pause. What a vendor has no code for, or
/// what would take a minute, is left out. Up to v2 WuKongIM knows one answer for all of them.
const fn codes(way: &Way) -> [Option<i64>; 4] {
    match (way.vendor, way.doubt, way.together) {
        (Vendor::WuKongIm, Doubt::Recognised, _) => [Some(15), Some(5), Some(10), Some(22)],
        (Vendor::WuKongIm, _, _) => [None, Some(400), None, None],
        (Vendor::OpenIm, _, _) => [Some(90004), Some(1004), Some(500), Some(429)],
        (Vendor::ImKit, _, _) => [None, Some(400), Some(700), None],
        (Vendor::NetEase, Doubt::Stays, true) => [Some(13001), Some(423), Some(500), None],
        (Vendor::NetEase, _, _) => [Some(13001), Some(423), Some(500), Some(416)],
    }
}

fn code(way: &Way, which: usize) -> Fault {
    let code = codes(way).get(which).copied().flatten();
    Fault::new(FaultKind::Code).value(code.unwrap_or_default())
}

fn of_code(way: &Way, which: usize, means: Means) -> Means {
    match codes(way).get(which).copied().flatten() {
        None => Means::Skipped,
        // One bad message spoils the page's array.
        Some(_) if way.dialect == "published" && way.vendor == Vendor::WuKongIm => Means::Halved,
        Some(_) => means,
    }
}

fn half(way: &Way) -> Half {
    match (way.vendor, way.dialect) {
        (Vendor::WuKongIm, "published") => Half::Unnamed,
        (Vendor::WuKongIm, "v3") => Half::Later,
        (Vendor::ImKit, _) if way.together => Half::Uncertain,
        _ => Half::No,
    }
}

/// What becomes of one message: its status, how often it arrives, and whether its result says that it may
/// have arrived twice.
pub(super) type Fate = (&'static str, u64, bool);

pub(super) const YES: Fate = ("accepted", 1, false);
const NO: Fate = ("rejected", 0, false);

/// What should become of the messages of a cell.
pub(super) fn wanted(way: &Way, means: Means, at_least_once: bool, count: usize) -> Vec<Fate> {
    let doubted = |arrived: bool| match (way.doubt, at_least_once) {
        (Doubt::Recognised, _) => YES,
        (Doubt::Askable, _) if arrived => YES,
        (Doubt::Askable | Doubt::Stays, false) => ("unknown", u64::from(arrived), false),
        (Doubt::Askable | Doubt::Stays, true) => ("accepted", 1 + u64::from(arrived), true),
    };
    let (good, bad) = match means {
        Means::Later | Means::Halved | Means::Taken | Means::HalfOf(Half::Later) => (YES, YES),
        Means::No => (NO, NO),
        Means::Doubt { arrived } => (doubted(arrived), doubted(arrived)),
        Means::HalfOf(Half::No) => (YES, NO),
        Means::HalfOf(Half::Unnamed) => (YES, doubted(false)),
        Means::HalfOf(Half::Uncertain) => (doubted(true), doubted(false)),
        Means::Skipped => return Vec::new(),
    };
    let mut fates: Vec<Fate> = (0..count).map(|at| if at % 2 == 0 { good } else { bad }).collect();
    fates.sort_unstable();
    fates
}
