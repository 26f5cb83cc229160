//! Vault and `OpenBao`: KV v1 and v2.
//!
//! Requests are built by the types of `vaultrs` and sent by [`http::send`], which reads a bounded body. `vaultrs`' own way of
//! sending is not used: it reads bodies without a limit, follows redirects, writes the server's errors to the log, and drops
//! the parts of an answer by which the 404s are told apart.
mod answer;
mod call;
mod login;
mod path;
mod settings;

use std::time::Duration;

use vaultrs::api::kv1::requests::GetSecretRequest;
use vaultrs::api::kv2::requests::ReadSecretRequest;

use self::call::Caller;
use self::login::Session;
pub use self::path::{check_name, check_version};
pub use self::settings::{Login, Settings, Times};
use super::{Failure, Object, ObjectKey, Reason};

/// A client and a login.
pub struct Vault {
    caller: Caller,
    session: Session,
    mount: String,
    version_2: bool,
    /// Whether the mount is known to be what `version_2` says.
    confirmed: std::sync::atomic::AtomicBool,
}

impl Vault {
    /// Checks the settings; makes no call. Fails with a sentence that names the field.
    pub fn new(settings: Settings) -> Result<Self, String> {
        Self::with_times(settings, Times::default())
    }

    /// As [`Vault::new`], with other times. For tests.
    #[doc(hidden)]
    pub fn with_times(settings: Settings, times: Times) -> Result<Self, String> {
        let mount = path::mount("path", &settings.path)?;
        let caller = Caller::new(&settings, &times)?;
        let session = Session::new(settings.login, times.relogin_after)?;
        Ok(Self {
            caller,
            session,
            mount,
            version_2: settings.version_2,
            confirmed: false.into(),
        })
    }

    /// Logs in if that is due, and looks the token up. A token without the policy `default` may not look itself up: then a
    /// login that has just succeeded is enough.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        self.session.check(&self.caller).await
    }

    /// Reads one object. A refused token that is older than [`Times::relogin_after`] is replaced once.
    pub(super) async fn read(&self, key: &ObjectKey) -> Result<Object, Failure> {
        let asked = Asked::new(key)?;
        let token = self.session.token(&self.caller).await?;
        let denied = match self.read_with(&token.secret, &asked).await {
            Err(failure) if failure.reason == Reason::Denied => failure,
            done => return done,
        };
        match self.session.after_refusal(&self.caller, &token).await? {
            Some(token) => self.read_with(&token.secret, &asked).await,
            None => Err(denied),
        }
    }

    /// Renews the login if that is due. Returns when it is due next; none: there is no login, or it does not end or cannot be
    /// renewed.
    pub(super) async fn renew(&self) -> Result<Option<Duration>, Failure> {
        self.session.renew(&self.caller).await
    }

    /// Ends the login, unless it is a given token. A later call would log in anew.
    pub(super) async fn close(&self) -> Result<(), Failure> {
        self.session.close(&self.caller).await
    }

    async fn read_with(&self, token: &str, asked: &Asked<'_>) -> Result<Object, Failure> {
        use std::sync::atomic::Ordering::Relaxed;
        let (mount, path) = (self.mount.clone(), asked.name.to_owned());
        let answer = if self.version_2 {
            let request = ReadSecretRequest {
                mount,
                path,
                version: asked.version,
            };
            self.caller.call(token, request).await?
        } else {
            self.caller.call(token, GetSecretRequest { mount, path }).await?
        };
        let place = answer::Place {
            host: self.caller.host(),
            mount: &self.mount,
            name: asked.name,
            version: asked.version,
        };
        let result = if self.version_2 {
            answer::kv2(&answer, &place)
        } else {
            answer::kv1(&answer, &place)
        };
        match &result {
            Ok(_) => self.confirmed.store(true, Relaxed),
            // A KV v1 mount answers a v2 path in the same way as a missing key.
            Err(failure)
                if matches!(failure.reason, Reason::KeyMissing | Reason::VersionMissing)
                    && self.version_2
                    && !self.confirmed.load(Relaxed) =>
            {
                match self.mounted(token).await {
                    Some(answer::Mounted::Kv2) => self.confirmed.store(true, Relaxed),
                    Some(other) => return Err(answer::wrong_mount(other, &place)),
                    None => {}
                }
            }
            Err(_) => {}
        }
        result
    }

    /// What is mounted, if the token may know it.
    async fn mounted(&self, token: &str) -> Option<answer::Mounted> {
        let request = call::MountRequest {
            mount: self.mount.clone(),
        };
        let answer = self.caller.call(token, request).await.ok()?;
        answer::mounted(&answer)
    }
}

/// What is asked for, checked: a bad name would be another path, or the end of the process in `vaultrs`.
struct Asked<'a> {
    name: &'a str,
    version: Option<u64>,
}

impl<'a> Asked<'a> {
    fn new(key: &'a ObjectKey) -> Result<Self, Failure> {
        check_name(&key.name).map_err(|why| Failure::new(Reason::KeyMissing, why))?;
        let version = key.version.as_deref().map(check_version).transpose();
        Ok(Self {
            name: &key.name,
            version: version.map_err(|why| Failure::new(Reason::VersionMissing, why))?,
        })
    }
}

#[cfg(test)]
mod tests;
