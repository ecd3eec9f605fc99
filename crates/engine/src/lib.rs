//! Talks to vendors. A lane for each provider draws calls from waiting messages, keeps the vendor's
//! limits, sends, and settles what came back; the ledger knows of every call before its bytes leave.

#![warn(clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod accept;
mod begin;
mod callback;
mod causes;
mod clock;
mod denied;
mod direct;
mod engine;
mod forward;
mod intake;
mod lane;
mod marks;
mod metrics;
mod migration;
mod order;
mod pace;
mod pass;
mod plan;
mod provider;
mod redrive;
mod rehearsal;
mod reload;
mod repeats;
mod results;
mod room;
mod settings;
mod shelf;
mod steer;
mod tally;
mod token;
mod told;
pub mod trace;
mod transport;
mod upload;
mod view;

pub use callback::{CallbackSettings, CallbackView, LastView, Secret};
pub use causes::{Cause, Causes};
pub use denied::{Denied, Errors};
pub use engine::Engine;
pub use forward::{Forward, Forwarded};
pub use marks::RequestKey;
pub use migration::{
    CauseView, CohortView, GatesView, LossView, MigrationReport, MigrationSettings, MigrationView,
    ShadowView, SideView, SidesView, StepView, WindowView,
};
pub use pass::{Passed, Passing};
pub use rehearsal::{Fault, MOST_REHEARSED, Played, PlayedCall, PlayedMessage, Rehearsal, Scene};
pub use reload::Reloaded;
pub use results::MessageQuery;
pub use settings::{ClassLimits, Delivery, EngineSettings, ProviderSettings};
pub use steer::Steer;
pub use tally::{ClassTally, Durations, Queued, Tally};
pub use upload::Upload;
pub use view::{
    Accepted, BatchView, Caller, ClassView, NotTaken, Page, Plan, PlanError, PlannedCall, PlannedMessage,
    PlannedRequest, Probed, ProviderView, Sent, Totals,
};
