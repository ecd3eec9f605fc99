//! `dialect = "auto"` finds out what each vendor's server speaks, with requests that reach nobody.

use std::time::Duration;

use interline_tests::{Place, Stage, config, eventually};
use interline_twins::{TwinsConfig, Vendor};

/// Dialects that a server shows; OpenIM's `published` can only be configured.
const PAIRS: [(&str, &str); 4] = [("published", "v3.8.3"), ("v1", "main"), ("v2", "v3.8.3"), ("v3", "main")];

#[test]
fn auto_recognises_every_dialect_and_reaches_nobody() {
    for (wukongim, openim) in PAIRS {
        let twins =
            TwinsConfig::ephemeral().dialect(Vendor::WuKongIm, wukongim).dialect(Vendor::OpenIm, openim);
        let stage = Stage::start(twins);
        let place = Place::new(&config::four(&stage));
        let server = place.serve();
        let wanted = [("wk", wukongim), ("oim", openim), ("kit", "v1"), ("ne", "v1")];
        eventually("every dialect is known", Duration::from_secs(20), || {
            let seen = server.client().get("/v1/providers").of(200);
            let providers = seen["providers"].as_array().expect("providers").clone();
            let speaks = |name: &str, dialect: &str| {
                providers.iter().any(|provider| provider["name"] == name && provider["dialect"] == dialect)
            };
            wanted.iter().all(|(name, dialect)| speaks(name, dialect)).then_some(())
        });
        assert_eq!((stage.calls(), stage.total()), (0, 0), "a probe reached somebody");
    }
}
