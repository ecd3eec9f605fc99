//! Plans: the same intake, the same drawing of calls and the same encoding as sending, with nothing
//! stored and nothing sent. Secrets are masked; signatures are made of masked secrets' places only.

use std::collections::BTreeMap;
use std::sync::Arc;

use interline_core::adapter::{Adapter, Call, CallMessage, Request, Seal};
use interline_core::draw::{CallLimits, Drawer, Waiting};
use interline_core::options::Results;
use interline_core::read::{self, Path};
use interline_core::record::MessageResult;
use interline_core::route::Target;

use crate::clock;
use crate::denied::{Denied, Errors};
use crate::engine::{self, Engine};
use crate::intake::{Bad, Intake, Routed, Seen, forbidding};
use crate::provider::Provider;
use crate::view::{Caller, NotTaken, Plan, PlanError, PlannedCall, PlannedMessage, PlannedRequest, Totals};

const MASK: &str = "***";
/// Most bytes in one call, whatever the count allows.
pub(crate) const CALL_BYTES: usize = 4 * 1024 * 1024;

impl Engine {
    /// Says what would happen with a JSON body. Nothing is sent, nothing is stored; what is wrong with
    /// messages stands in the plan.
    ///
    /// # Errors
    /// The body as a whole cannot be read.
    #[expect(clippy::unused_async, reason = "the face is async throughout")]
    pub async fn plan(&self, caller: &Caller, body: &str) -> Result<Plan, Denied> {
        let batch_id = engine::new_batch_id(clock::now_ms());
        let book = &*self.book();
        let document = read::read_document(body)
            .map_err(|error| Denied::Invalid(Errors { listed: vec![error], total: 1 }))?;
        let head_text = read::head_text(&document);
        let mut wrong = crate::intake::Wrong::default();
        let head = crate::intake::head(book, &batch_id, &head_text, Path::Root(""), &mut wrong);
        if let Some(head) = &head {
            crate::intake::check_callback(book, &caller.app, head, &Path::Root(""), &mut wrong);
        }
        wrong.verdict()?;
        let head = head.ok_or(Denied::NotFound)?;
        let intake = Intake::new(book, caller, &batch_id, &head);
        let mut plan =
            Plan { messages: Vec::new(), calls: Vec::new(), totals: Totals::default(), errors: Vec::new() };
        let mut routed = Vec::new();
        let texts = document.messages.unwrap_or_default();
        let mut seen = Seen::of(&head, texts.iter().copied());
        plan.totals.messages = texts.len() as u64;
        if texts.is_empty() {
            let error = Bad::missing_messages();
            plan.errors.extend(plan_errors(&error));
        }
        let root = Path::Root("/messages");
        for (index, text) in (0u64..).zip(texts) {
            match intake.take(text, index, Path::Index(&root, index), &mut seen) {
                Ok(good) => {
                    plan.messages.push(planned(&intake, &good, seen.results()));
                    routed.push(good);
                }
                Err(bad) => {
                    plan.errors.extend(plan_errors(&bad));
                    let named = crate::results::named(text.get(), &batch_id, index);
                    plan.messages.push(refused(named, &bad));
                }
            }
        }
        let results = seen.results();
        let mut by_provider: BTreeMap<Arc<str>, (Arc<Provider>, Vec<Routed<'_>>)> = BTreeMap::new();
        for good in routed {
            let name = Arc::clone(&good.provider.settings.name);
            by_provider.entry(name).or_insert_with(|| (Arc::clone(good.provider), Vec::new())).1.push(good);
        }
        for (provider, routed) in by_provider.into_values() {
            calls_of(&provider, &routed, results, head.ordered, &mut plan);
        }
        plan.totals.calls = plan.calls.len() as u64;
        Ok(plan)
    }
}

fn plan_errors(bad: &Bad) -> Vec<PlanError> {
    let code = bad.code.as_str();
    bad.errors.iter().map(|e| PlanError { path: e.path.clone(), code, detail: e.detail.clone() }).collect()
}

/// A message that no provider is to have.
pub(crate) fn refused(named: MessageResult, bad: &Bad) -> PlannedMessage {
    PlannedMessage {
        id: named.id.into(),
        to: named.to.into(),
        route: None,
        provider: None,
        dialect: None,
        why: format!("refused: {}", bad.code),
        not_taken: Vec::new(),
        losses: Vec::new(),
    }
}

/// A message that can be sent: by whom, and why by nobody else.
pub(crate) fn planned(intake: &Intake<'_>, good: &Routed<'_>, results: Results) -> PlannedMessage {
    let known = good.provider.adapter();
    let mut why = match intake.head.route.as_deref() {
        Some(route) => format!("the batch asks for the route {route}"),
        None => format!("the route {} is the first that takes it", good.route),
    };
    why.push_str(&turns(intake, good));
    if known.is_none() {
        let assumed = good.provider.assumed();
        let dialect = assumed.profile().dialect;
        why.push_str(&format!("; the server's dialect is not known yet, so the calls assume {dialect}"));
    }
    PlannedMessage {
        id: good.message.id.to_string(),
        to: good.message.to.to_string(),
        route: Some(good.route.to_string()),
        provider: Some(good.provider.settings.name.to_string()),
        dialect: known.map(|adapter| adapter.profile().dialect.to_owned()),
        why,
        not_taken: other_routes(intake, good).chain(stand_ins(intake, good, results)).collect(),
        losses: good.losses.iter().map(|loss| (*loss).to_owned()).collect(),
    }
}

/// How the route leads to the provider, where it is no straight way.
fn turns(intake: &Intake<'_>, good: &Routed<'_>) -> String {
    let forced = intake.head.route.as_deref();
    let choice = intake.book.routes.choose(&good.message, &intake.caller.app, forced, &intake.moment);
    let Some(choice) = choice else { return String::new() };
    let mut text = String::new();
    if let Target::Split(shares) = &choice.route.target
        && let Some((name, weight)) = shares.iter().find(|(provider, _)| provider == choice.picked)
    {
        let total: u64 = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
        text.push_str(&format!("; of its split {name} has {weight} of {total}, this recipient among them"));
    }
    if let Some(migration) = choice.migration {
        text.push_str(&format!("; the migration {migration} takes it from {}", choice.picked));
    }
    if let Some(drained) = choice.drained {
        text.push_str(&format!("; {} gets what {drained} would get", choice.provider));
    }
    if good.there().to != good.message.to {
        text.push_str(&format!("; there it is {}", good.there().to));
    }
    text
}

/// Every route but the message's own, with the reason why it is another's.
fn other_routes<'i>(intake: &'i Intake<'_>, good: &'i Routed<'_>) -> impl Iterator<Item = NotTaken> + 'i {
    let forced = intake.head.route.as_deref();
    let passed =
        intake.book.routes.passed_over(&good.message, &intake.caller.app, forced, intake.moment.now_ms);
    intake.book.routes.all().iter().filter(|route| *route.name != *good.route).map(move |route| {
        let before = passed.iter().find(|(other, _)| other.name == route.name);
        let why = match (forced, before) {
            (Some(forced), _) => format!("the batch asks for {forced}"),
            (None, Some((_, why))) => why.clone(),
            (None, None) => format!("{} comes before it and takes the message", good.route),
        };
        let provider = route.target.providers().map(|provider| &**provider).collect::<Vec<_>>().join(", ");
        NotTaken { route: route.name.to_string(), provider, why }
    })
}

/// The providers that stand in, or why they would not.
fn stand_ins<'i>(
    intake: &'i Intake<'_>,
    good: &'i Routed<'_>,
    results: Results,
) -> impl Iterator<Item = NotTaken> + 'i {
    let own = &good.provider.settings.name;
    let results = good.message.results(results);
    good.fallback.iter().flat_map(|names| names.iter()).map(move |name| {
        let provider = intake.book.providers.get(name).filter(|_| name != own);
        let checked = provider.map(|provider| provider.check(&*provider.assumed(), &good.message, results));
        let why = match checked {
            None => "it cannot stand in for itself".to_owned(),
            Some(Err(refusal)) => format!("it cannot stand in: {}", refusal.failure().message),
            Some(Ok((_, losses))) => match forbidding(&losses, good.terms.on_loss, name) {
                Some(detail) => format!("it cannot stand in: {detail}"),
                None => format!("it stands in when {own} surely did not take the message"),
            },
        };
        NotTaken { route: good.route.to_string(), provider: name.to_string(), why }
    })
}

fn calls_of(provider: &Provider, routed: &[Routed<'_>], results: Results, ordered: bool, plan: &mut Plan) {
    let adapter = provider.assumed();
    let mut drawer = Drawer::default();
    for (index, good) in routed.iter().enumerate() {
        drawer.push(Waiting {
            ticket: index,
            slot: adapter.slot(good.there(), good.message.results(results)),
            recipient: good.message.to.fingerprint(),
            app: 0,
            flow: 0,
            ordered,
            priority: good.message.options.priority,
            order: 0,
        });
    }
    for pace in provider.paces(adapter.profile()) {
        let limits = CallLimits { messages: pace.messages_per_call, bytes: CALL_BYTES };
        let (mut calls, mut messages) = (0u32, 0u32);
        while let Some(drawn) = drawer.draw(pace.class, limits) {
            let members: Vec<&Routed<'_>> =
                drawn.iter().filter_map(|waiting| routed.get(waiting.ticket)).collect();
            for waiting in &drawn {
                drawer.settled(waiting.flow, waiting.recipient, waiting.ordered);
            }
            calls += 1;
            messages = messages.saturating_add(u32::try_from(members.len()).unwrap_or(u32::MAX));
            let each = members.first().map_or(Results::Each, |first| first.message.results(results));
            let call = Call {
                class: pace.class,
                results: each,
                messages: members.iter().map(|good| CallMessage::first(Arc::clone(good.there()))).collect(),
            };
            add_call(provider, &*adapter, &call, plan);
        }
        let at_rate = |rate: Option<interline_core::profile::Rate>, count: u32| {
            rate.map_or(0.0, |rate| rate.spacing().as_secs_f64() * f64::from(count.saturating_sub(1)))
        };
        let seconds = at_rate(pace.calls, calls).max(at_rate(pace.messages, messages));
        plan.totals.seconds_at_contract = plan.totals.seconds_at_contract.max(seconds);
    }
}

fn add_call(provider: &Provider, adapter: &dyn Adapter, call: &Call, plan: &mut Plan) {
    let messages = call.messages.iter().map(|message| message.message.id.to_string()).collect();
    let seal = Seal { now_ms: clock::now_ms(), nonce: MASK, token: Some(MASK) };
    match adapter.encode(call, &seal) {
        Ok(request) => {
            let url = provider.transport.url(&request.path);
            plan.calls.push(PlannedCall {
                provider: provider.settings.name.to_string(),
                quota_class: call.class.to_owned(),
                messages,
                curl: curl(&request, &url),
                request: shown(request, url),
            });
        }
        Err(error) => plan.errors.push(PlanError {
            path: String::new(),
            code: "internal",
            detail: format!("a call of {} cannot be written: {error}", provider.settings.name),
        }),
    }
}

fn shown(request: Request, url: String) -> PlannedRequest {
    let headers = request
        .headers
        .into_iter()
        .map(|header| (header.name.to_owned(), if header.secret { MASK.to_owned() } else { header.value }))
        .collect();
    let body = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| serde_json::Value::String(String::from_utf8_lossy(&request.body).into_owned()));
    PlannedRequest { method: request.method, url, headers, body }
}

/// The request as a command line, secrets masked.
fn curl(request: &Request, url: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let mut line = format!("curl -X {} {}", request.method, quoted(url));
    for header in &request.headers {
        let value = if header.secret { MASK } else { &header.value };
        line.push_str(&format!(" -H {}", quoted(&format!("{}: {value}", header.name))));
    }
    if !request.body.is_empty() {
        line.push_str(&format!(" --data-raw {}", quoted(&String::from_utf8_lossy(&request.body))));
    }
    line
}
