//! Apps of four vendors, each before every dialect of every vendor: conversations with everything that goes
//! wrong in one. What an app hears is valid in its own vendor's terms, and never more than what arrived.
//! Each conversation is written down as it was in the folder that cargo keeps for tests.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken expectation ends the test, and people want to know where the conversations are"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use interline_tests::apps::{App, Heard, ImKit, NetEase, OpenIm, Sending, Wish, WuKongIm};
use interline_tests::{Place, Server, Troupe, config, eventually, refuse};
use interline_twins::{Fault, FaultKind, Vendor};

/// How long a façade may take, and what a machine under load may add to it.
const WITHIN: Duration = Duration::from_millis(1_500);
const SLACK: Duration = Duration::from_millis(2_500);

/// Who delivers, dialect by dialect.
const VENDORS: [(&str, Vendor, &str); 8] = [
    ("wukongim published", Vendor::WuKongIm, "published"),
    ("wukongim v1", Vendor::WuKongIm, "v1"),
    ("wukongim v2", Vendor::WuKongIm, "v2"),
    ("wukongim v3", Vendor::WuKongIm, "v3"),
    ("openim v3.8.3", Vendor::OpenIm, "v3.8.3"),
    ("openim main", Vendor::OpenIm, "main"),
    ("imkit", Vendor::ImKit, ""),
    ("netease", Vendor::NetEase, ""),
];

/// One app, one vendor behind, and what was said.
struct Conversation {
    name: String,
    app: Box<dyn App>,
    /// The same app under the credentials of one that may send little.
    poor: Box<dyn App>,
    server: Server,
    troupe: Troupe,
    number: u64,
    asked: usize,
    record: String,
}

impl Conversation {
    fn begin(facade: &str, (behind, vendor, dialect): (&str, Vendor, &str)) -> Self {
        let mut troupe = Troupe::new();
        let url = troupe.add("there", vendor, dialect);
        let provider = match vendor {
            Vendor::WuKongIm => config::wukongim("there", &url, "auto", ""),
            Vendor::OpenIm => config::openim("there", &url, "auto", ""),
            Vendor::ImKit => config::imkit("there", &url, ""),
            Vendor::NetEase => config::netease("there", &url, ""),
        };
        let credentials = |which: &str| match facade {
            "wukongim" => format!("token = \"{which}-token\""),
            "openim" => format!("admin_user_id = \"imAdmin\"\nsecret = \"{which}-secret\""),
            "imkit" => format!("api_key = \"{which}-key\""),
            _ => format!("app_key = \"{which}-app\"\napp_secret = \"{which}-secret\""),
        };
        let served = |app: &str| {
            format!(
                "[[facades]]\nname = \"{app}\"\nvendor = \"{facade}\"\napp = \"{app}\"\nanswer_within = \"{}ms\"\n{}\n",
                WITHIN.as_millis(),
                credentials(app)
            )
        };
        let app = |name: &str, more: &str, hash: char| {
            let hash = hash.to_string().repeat(64);
            format!("[[apps]]\nname = \"{name}\"\nkey_sha256 = \"{hash}\"\nmay = [\"send\"]\n{more}\n")
        };
        let config = [
            app("rich", "", 'a'),
            app("poor", "messages_per_second = 2", 'b'),
            provider,
            config::route("all", "", "there"),
            served("rich"),
            served("poor"),
        ]
        .concat();
        let server = Place::with("auth = \"keys\"", &config).serve();
        let speaks = |which: &'static str| -> Box<dyn App> {
            let rich = which == "rich";
            match facade {
                "wukongim" => Box::new(WuKongIm { token: if rich { "rich-token" } else { "poor-token" } }),
                "openim" => {
                    let secret = if rich { "rich-secret" } else { "poor-secret" };
                    Box::new(OpenIm::log_in(&server, "imAdmin", secret))
                }
                "imkit" if rich => Box::new(ImKit { key: "rich-key", header: "IM-API-KEY" }),
                "imkit" => Box::new(ImKit { key: "poor-key", header: "API_KEY" }),
                _ if rich => {
                    Box::new(NetEase { key: "rich-app", secret: "rich-secret", prefix: "/nimserver" })
                }
                _ => Box::new(NetEase { key: "poor-app", secret: "poor-secret", prefix: "" }),
            }
        };
        let (app, poor) = (speaks("rich"), speaks("poor"));
        let name = format!("{facade} before {behind}");
        Self { name, app, poor, server, troupe, number: 0, asked: 0, record: String::new() }
    }

    fn arrived(&self) -> u64 {
        self.troupe.twin("there").total()
    }

    /// Asks something new.
    fn say(&mut self, wish: Wish) -> Heard {
        self.number += 1;
        self.again(wish)
    }

    /// Asks what was asked last, or as the poor app.
    fn again(&mut self, wish: Wish) -> Heard {
        let sending = self.app.ask(&wish, self.number);
        self.exchange(&wish, &sending, false)
    }

    fn exchange(&mut self, wish: &Wish, sending: &Sending, poor: bool) -> Heard {
        let before = self.arrived();
        let began = Instant::now();
        let answer = sending.ask(&self.server);
        let answer = answer.unwrap_or_else(|| panic!("{}: no answer to {wish:?}", self.name));
        let took = began.elapsed();
        assert!(took < WITHIN + SLACK, "{}: {wish:?} took {took:?}", self.name);
        let speaker = if poor { &self.poor } else { &self.app };
        let heard = speaker.hear(wish, &answer);
        self.asked += 1;
        let body = String::from_utf8_lossy(&sending.body);
        writeln!(
            self.record,
            "> POST {}\n> {}\n< {} {}\n= {heard:?}\n",
            sending.path,
            body.chars().take(600).collect::<String>(),
            answer.status,
            answer.text().chars().take(600).collect::<String>()
        )
        .expect("text can be written");
        let arrived = self.arrived() - before;
        let yes = heard.yes() as u64;
        assert!(
            yes <= arrived || answer.header("interline-repeated") == Some("true"),
            "{}: {yes} said, {arrived} arrived: {wish:?}: {}",
            self.name,
            answer.text()
        );
        if matches!(heard, Heard::Refused | Heard::NotAdmitted | Heard::Wrong | Heard::TryLater) {
            assert_eq!(arrived, 0, "{}: {wish:?} was refused and arrived: {}", self.name, answer.text());
        }
        heard
    }

    /// Whether the vendor behind knows the repeat of a message to a user for what it is, and is asked again.
    fn recognises(&self) -> bool {
        self.name.ends_with("wukongim v3")
    }

    fn fault(&self, fault: Fault) {
        self.troupe.twin("there").set_fault(fault);
    }

    fn all(&self, heard: Heard, count: usize) {
        assert_eq!(heard, Heard::Taken { yes: count, no: 0, silent: 0 }, "{}: {}", self.name, self.record);
    }

    /// Waits until the vendor takes messages again.
    fn recovered(&mut self) {
        self.troupe.clear_faults();
        let until = Instant::now() + Duration::from_secs(30);
        while self.say(Wish::User("u1".to_owned())) != (Heard::Taken { yes: 1, no: 0, silent: 0 }) {
            assert!(Instant::now() < until, "{}: it does not recover: {}", self.name, self.record);
        }
    }

    fn good_days(&mut self) {
        let user = || Wish::User("u1".to_owned());
        let heard = self.say(user());
        self.all(heard, 1);
        let before = self.arrived();
        let heard = self.again(user());
        assert_eq!(self.arrived(), before, "{}: the repeat of a request is no second message", self.name);
        assert!(matches!(heard, Heard::Taken { .. }), "{}: {heard:?}", self.name);
        let heard = self.say(Wish::Group("9001".to_owned()));
        self.all(heard, 1);
        let users: Vec<String> = (0..5).map(|n| format!("u{n}")).collect();
        let heard = self.say(Wish::Users(users));
        self.all(heard, 5);
        // Where a vendor has no rooms, or cannot say a content, that is a refusal and no success.
        let heard = self.say(Wish::Room("7000".to_owned(), 3));
        assert!(
            matches!(heard, Heard::Taken { yes: 3, .. } | Heard::Taken { yes: 1, .. } | Heard::Refused),
            "{}: {heard:?}",
            self.name
        );
        for kind in ["image", "audio", "video", "file", "location", "custom"] {
            let heard = self.say(Wish::Content(kind, "u1".to_owned()));
            assert!(
                matches!(heard, Heard::Taken { yes: 1, .. } | Heard::Refused),
                "{}: {kind}: {heard:?}",
                self.name
            );
        }
    }

    fn bad_manners(&mut self) {
        assert_eq!(self.say(Wish::WrongSecret), Heard::NotAdmitted, "{}", self.name);
        assert_eq!(self.say(Wish::NoSecret), Heard::NotAdmitted, "{}", self.name);
        assert_eq!(self.say(Wish::Garbage), Heard::Wrong, "{}", self.name);
        assert_eq!(self.say(Wish::Lacking), Heard::Wrong, "{}", self.name);
        // Twelve messages of an app that may send two a second.
        let users: Vec<String> = (0..12).map(|n| format!("u{n}")).collect();
        let wish = Wish::Users(users);
        let limited = (0..3).any(|_| {
            self.number += 1;
            let sending = self.poor.ask(&wish, self.number);
            self.exchange(&wish, &sending, true) == Heard::TryLater
        });
        assert!(limited, "{}: the app's own limit is told", self.name);
    }

    fn bad_days(&mut self) {
        let user = || Wish::User("u1".to_owned());
        let users = || Wish::Users((0..4).map(|n| format!("u{n}")).collect());
        self.fault(Fault::new(FaultKind::Partial));
        let heard = self.say(users());
        if self.recognises() {
            // Its refusals are for now: they went again.
            self.all(heard, 4);
        } else {
            assert!(heard.yes() < 4, "{}: half of it failed: {heard:?}", self.name);
        }
        self.say(Wish::Room("7000".to_owned(), 4));
        self.recovered();

        self.fault(Fault::new(FaultKind::Status).value(500).times(1));
        let heard = self.say(user());
        if self.recognises() {
            self.all(heard, 1);
        } else {
            assert_eq!(heard, Heard::Trouble, "{}: nobody can know", self.name);
        }
        self.recovered();

        let mut limit = Fault::new(FaultKind::Status).value(429).times(1);
        limit.retry_after = Some(4);
        self.fault(limit);
        let heard = self.say(user());
        assert_eq!(heard, Heard::TryLater, "{}: the vendor wants a pause", self.name);
        self.recovered();

        self.fault(Fault::new(FaultKind::CloseAfterRead).times(1));
        let heard = self.say(user());
        assert!(matches!(heard, Heard::Trouble | Heard::Taken { yes: 1, .. }), "{}: {heard:?}", self.name);
        self.recovered();

        let before = self.arrived();
        self.fault(Fault::new(FaultKind::Slow).value(4_000).times(1));
        let heard = self.say(user());
        assert_eq!(heard, Heard::Trouble, "{}: it is under way and nobody knows", self.name);
        let heard = self.again(user());
        assert!(matches!(heard, Heard::Trouble | Heard::Taken { .. }), "{}: {heard:?}", self.name);
        eventually("the slow message arrives", Duration::from_secs(10), || {
            (self.arrived() > before).then_some(())
        });
        self.again(user());
        assert_eq!(
            self.arrived() - before,
            1,
            "{}: repeats of a slow request are no second message",
            self.name
        );
        self.recovered();

        refuse(self.troupe.twin("there"), 3_000);
        let heard = self.say(user());
        assert_eq!(heard, Heard::TryLater, "{}: nothing left", self.name);
        self.recovered();
    }
}

fn talk(facade: &str) {
    std::thread::scope(|scope| {
        for behind in VENDORS {
            scope.spawn(move || {
                let mut talk = Conversation::begin(facade, behind);
                talk.good_days();
                talk.bad_manners();
                talk.bad_days();
                let file = format!("{}/{}.txt", env!("CARGO_TARGET_TMPDIR"), talk.name.replace(' ', "-"));
                std::fs::write(&file, &talk.record).expect("a folder for what was said");
                assert!(talk.asked >= 20, "{}: {} requests", talk.name, talk.asked);
                println!("{}: {} requests, in {file}", talk.name, talk.asked);
            });
        }
    });
}

#[test]
fn an_app_of_wukongim_is_at_home_before_every_vendor() {
    talk("wukongim");
}

#[test]
fn an_app_of_openim_is_at_home_before_every_vendor() {
    talk("openim");
}

#[test]
fn an_app_of_imkit_is_at_home_before_every_vendor() {
    talk("imkit");
}

#[test]
fn an_app_of_netease_is_at_home_before_every_vendor() {
    talk("netease");
}
