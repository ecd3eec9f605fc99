//! From the configuration to what the engine is told, and what is odd but no error. A secret that is
//! missing matters here: a provider that some route uses cannot do without.

use std::collections::BTreeSet;
use std::sync::Arc;

use interline_core::adapter::Vendor;
use interline_core::route::Routes;
use interline_engine::{EngineSettings, ProviderSettings, Secret};

use super::file::{ConfigError, ConfigErrors};
use super::{Auth, Config, Provider};
use super::{lint, migrations};

impl Config {
    /// What the engine is told. A provider that no route uses is left out if its secrets are missing.
    ///
    /// # Errors
    /// The secrets that are missing and needed.
    pub fn engine_settings(&self) -> Result<EngineSettings, ConfigErrors> {
        let used = self.used();
        let (mut providers, mut errors) = (Vec::new(), Vec::new());
        for provider in &self.providers {
            match provider.resolved() {
                Ok(settings) => providers.push(ProviderSettings {
                    name: provider.name.clone(),
                    vendor: provider.vendor,
                    base_url: provider.base_url.clone(),
                    dialect: dialect(provider),
                    settings,
                    in_flight: provider.in_flight,
                    timeout: provider.timeout,
                    limits: provider.limits.clone(),
                    ids: provider.ids.clone(),
                }),
                Err(missing) if used.contains(&*provider.name) => {
                    errors.extend(missing.into_iter().map(|(origin, key, detail)| ConfigError {
                        origin,
                        key: format!("providers.{}.{key}", provider.name),
                        detail,
                    }));
                }
                Err(_) => {}
            }
        }
        errors.extend(self.facades.iter().filter_map(|facade| facade.settings().err()).flatten());
        let mut callbacks = self.callbacks.clone();
        for (place, app) in self.apps.iter().enumerate() {
            let found: Result<Vec<_>, _> =
                app.callback_secrets.iter().map(|secret| secret.secret.clone()).collect();
            match found {
                Ok(secrets) if secrets.is_empty() => {}
                Ok(secrets) => drop(callbacks.secrets.insert(Arc::clone(&app.name), secrets)),
                Err(detail) => errors.push(ConfigError {
                    origin: self.file.display().to_string(),
                    key: format!("apps[{place}].callback_secrets"),
                    detail,
                }),
            }
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        Ok(EngineSettings {
            providers,
            routes: Routes::new(self.routes.clone()).draining(self.drains.clone()),
            migrations: self.migrations.clone(),
            delivery: self.delivery,
            vendors: self.vendors.clone(),
            max_batch_messages: self.server.max_batch_messages,
            callbacks,
        })
    }

    /// The vendors that providers may be at.
    #[must_use]
    pub fn vendors(&self) -> &[&'static Vendor] {
        &self.vendors
    }

    /// What a rehearsal is told: all providers, also where secrets are missing. Nothing can be sent with it.
    ///
    /// # Errors
    /// Never for a secret.
    pub fn rehearsal_settings(&self) -> Result<EngineSettings, ConfigErrors> {
        let providers = self.providers.iter().map(Provider::without_secrets).collect();
        let mut apps = self.apps.clone();
        apps.iter_mut().for_each(|app| app.callback_secrets.clear());
        Self { providers, apps, facades: Vec::new(), ..self.clone() }.engine_settings()
    }

    /// What works but is probably not meant, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let used = self.used();
        let idle = |one: &&Provider| !used.contains(&*one.name) && !self.drains.contains_key(&one.name);
        for Provider { name, .. } in self.providers.iter().filter(idle) {
            warnings.push(format!("no route uses the provider {name}"));
        }
        for provider in &self.providers {
            let missing = provider.resolved().err().unwrap_or_default();
            warnings.extend(missing.iter().filter(|_| !used.contains(&*provider.name)).map(
                |(_, key, why)| format!("providers.{}.{key}: {why}; the provider is left out", provider.name),
            ));
        }
        warnings.extend(lint::lint(self));
        warnings.extend(migrations::odd(&self.migrations));
        for app in &self.apps {
            let weak = |secret: &&super::CallbackSecret| secret.secret.as_ref().is_ok_and(Secret::is_weak);
            if app.callback_secrets.iter().any(|secret| weak(&secret)) {
                warnings.push(format!(
                    "a secret in callback_secrets of the app {} has less than 24 bytes; `openssl rand -base64 32` behind whsec_ makes a good one",
                    app.name
                ));
            }
        }
        if self.server.auth == Auth::Keys && self.apps.is_empty() {
            warnings.push("server.auth is \"keys\" and there is no [[apps]]: nobody may ask".to_owned());
        }
        warnings
    }

    /// The providers that some route names, or some migration.
    fn used(&self) -> BTreeSet<&str> {
        let fallbacks =
            self.routes.iter().flat_map(|route| route.fallback.iter().flat_map(|names| names.iter()));
        let targets = self.routes.iter().flat_map(|route| route.target.providers());
        let migrations = self.migrations.iter().map(|migration| &migration.to);
        let drains = self.drains.values();
        let passed = self.facades.iter().filter_map(|facade| facade.passthrough.as_ref());
        targets.chain(fallbacks).chain(migrations).chain(drains).chain(passed).map(|name| &**name).collect()
    }
}

/// The dialect to speak without asking. Where there is only one, there is nothing to ask.
fn dialect(provider: &Provider) -> Option<String> {
    let only = match provider.vendor.dialects {
        [only] => Some((*only).to_owned()),
        _ => None,
    };
    provider.dialect.clone().or(only)
}
