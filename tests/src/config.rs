//! Pieces of `config.toml`: providers that point at the twins, and routes.

use interline_twins::{Twins, Vendor};

/// The secrets that the twins know; no output may ever show one.
pub const SECRETS: [&str; 3] = ["openIM123", "twin-imkit-key", "twin-app-secret"];

/// A WuKongIM provider; `more` are further lines.
pub fn wukongim(name: &str, url: &str, dialect: &str, more: &str) -> String {
    format!(
        "[providers.{name}]\nvendor = \"wukongim\"\nbase_url = \"{url}\"\ndialect = \"{dialect}\"\n\
         default_sender = \"system\"\n{more}\n"
    )
}

/// An OpenIM provider with the twin's secret.
pub fn openim(name: &str, url: &str, dialect: &str, more: &str) -> String {
    format!(
        "[providers.{name}]\nvendor = \"openim\"\nbase_url = \"{url}\"\ndialect = \"{dialect}\"\n\
         admin_user_id = \"imAdmin\"\nsecret = \"openIM123\"\ndefault_sender = \"system\"\n{more}\n"
    )
}

/// An `IMKit` provider with the twin's key.
pub fn imkit(name: &str, url: &str, more: &str) -> String {
    format!(
        "[providers.{name}]\nvendor = \"imkit\"\nbase_url = \"{url}\"\napi_key = \"twin-imkit-key\"\n\
         default_sender = \"system\"\n{more}\n"
    )
}

/// A `NetEase` provider with the twin's credentials.
pub fn netease(name: &str, url: &str, more: &str) -> String {
    format!(
        "[providers.{name}]\nvendor = \"netease\"\nbase_url = \"{url}\"\napp_key = \"twin-app-key\"\n\
         app_secret = \"twin-app-secret\"\ndefault_sender = \"system\"\n{more}\n"
    )
}

/// A route; `when` is the inside of its table of conditions, empty for a route that takes all.
pub fn route(name: &str, when: &str, provider: &str) -> String {
    let when = if when.is_empty() { String::new() } else { format!("when = {{ {when} }}\n") };
    format!("[[routes]]\nname = \"{name}\"\n{when}provider = \"{provider}\"\n")
}

/// The four twins as the providers `wk`, `oim`, `kit` and `ne`, and a route to each: rooms to `ne`,
/// ids that begin with `oim-`, `kit-` and `ne-` to those, the rest to `wk`.
pub fn four(twins: &Twins) -> String {
    let url = |vendor| twins.of(vendor).url();
    [
        wukongim("wk", &url(Vendor::WuKongIm), "auto", ""),
        openim("oim", &url(Vendor::OpenIm), "auto", ""),
        imkit("kit", &url(Vendor::ImKit), ""),
        netease("ne", &url(Vendor::NetEase), ""),
        route("rooms", "to = \"room\"", "ne"),
        route("ne", "id = \"ne-*\"", "ne"),
        route("oim", "id = \"oim-*\"", "oim"),
        route("kit", "id = \"kit-*\"", "kit"),
        route("rest", "", "wk"),
    ]
    .concat()
}
