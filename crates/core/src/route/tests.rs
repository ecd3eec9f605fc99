use super::*;
use crate::content::Content;
use crate::message::Head;
use crate::read::{Identity, Path, Problems, read_message};
use crate::shared::Shared;

fn message(to: &str) -> Arc<Message> {
    let head = Head { content: Some(Shared::new(Content::text("hi"))), ..Head::default() };
    let identity = Identity { batch_id: "b", vendors: &[] };
    let text = format!(r#"{{"to":"{to}"}}"#);
    read_message(text.as_str(), (&head, &identity), 0, Path::Root(""), &mut Problems::default()).unwrap()
}

fn route(name: &str, when: When, target: Target) -> Route {
    Route { name: name.into(), when, target, fallback: None, on_loss: None, guarantee: None }
}

fn to(provider: &str) -> Target {
    Target::Provider(provider.into())
}

fn rooms() -> When {
    When { to: Words(vec!["room".to_owned()]), ..When::default() }
}

#[test]
fn the_first_route_that_matches_decides_and_a_forced_one_is_not_asked() {
    let routes =
        Routes::new(vec![route("rooms", rooms(), to("ne")), route("rest", When::default(), to("wk"))]);
    let moment = Moment::at(0);
    let chosen = |text: &str, forced| {
        let choice = routes.choose(&message(text), "app", forced, &moment).unwrap();
        (choice.route.name.to_string(), choice.provider.to_string())
    };
    assert_eq!(chosen("room:1", None), ("rooms".to_owned(), "ne".to_owned()));
    assert_eq!(chosen("user:1", None), ("rest".to_owned(), "wk".to_owned()));
    assert_eq!(chosen("user:1", Some("rooms")), ("rooms".to_owned(), "ne".to_owned()));
    assert!(routes.choose(&message("user:1"), "app", Some("gone"), &moment).is_none());
    let passed = routes.passed_over(&message("user:1"), "app", None, 0);
    assert_eq!(passed.len(), 1);
    assert!(passed[0].1.contains("it takes room, not user"), "{}", passed[0].1);
}

#[test]
fn a_route_takes_messages_only_in_its_time() {
    let night = Window::read("22:00-06:00", |_| None).unwrap();
    let when = When { between: Between(vec![night]), ..When::default() };
    let day = When { not: Some(Box::new(when.clone())), ..When::default() };
    let routes = Routes::new(vec![route("night", when, to("a")), route("day", day, to("b"))]);
    assert_eq!((routes.times(0), routes.times(12 * 3_600_000)), (vec![true, true], vec![false, false]));
    let at = |hour: i64| {
        let moment = Moment::at(hour * 3_600_000);
        routes.choose(&message("user:1"), "app", None, &moment).unwrap().provider.to_string()
    };
    assert_eq!((at(23), at(5), at(6), at(12)), ("a".into(), "a".into(), "b".into(), "b".into()));
    let why = routes.passed_over(&message("user:1"), "app", None, 12 * 3_600_000);
    assert_eq!(why[0].1, "it takes messages only 22:00-06:00");
}

#[test]
fn what_a_provider_that_goes_away_would_get_another_one_gets() {
    let mut first = route("all", When::default(), to("old"));
    first.fallback = Some(["older", "old", "last"].map(Arc::from).into());
    let drains = BTreeMap::from([("older".into(), "old".into()), ("old".into(), "new".into())]);
    let routes = Routes::new(vec![first]).draining(drains);
    let choice = routes.choose(&message("user:1"), "app", None, &Moment::at(0)).unwrap();
    assert_eq!((&**choice.provider, choice.drained.map(|name| &**name)), ("new", Some("old")));
    let fallback: Vec<&str> =
        choice.route.fallback.iter().flat_map(|names| names.iter()).map(|name| &**name).collect();
    assert_eq!(fallback, ["new", "last"]);
}

#[derive(Debug)]
struct Half(Arc<str>);

impl Detour for Half {
    fn turn<'d>(&'d self, route: &Route, provider: &str, message: &Message) -> Option<Turn<'d>> {
        let turns = &*route.name == "all" && provider == "old" && message.to.fingerprint().is_multiple_of(2);
        turns.then_some(Turn { provider: &self.0, migration: "half" })
    }
}

#[test]
fn a_migration_decides_after_the_route_and_a_drain_after_both() {
    let routes = Routes::new(vec![route("all", When::default(), to("old"))])
        .draining(BTreeMap::from([("new".into(), "newest".into())]));
    let half = Half("new".into());
    let moment = Moment { now_ms: 0, detour: Some(&half) };
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..32 {
        let choice = routes.choose(&message(&format!("user:{number}")), "app", None, &moment).unwrap();
        assert_eq!(&**choice.picked, "old");
        seen.insert((choice.provider.to_string(), choice.migration, choice.drained.is_some()));
    }
    let wanted = [("newest".to_owned(), Some("half"), true), ("old".to_owned(), None, false)];
    assert_eq!(seen, wanted.into());
}
