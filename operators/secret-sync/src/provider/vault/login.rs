//! The login: one token for all calls, got by one call at a time, renewed before it ends.
mod token;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

pub(super) use self::token::Token;
use self::token::{Due, Life, TokenKind};
use super::call::Caller;
use super::settings::{self, Login};
use crate::provider::{Class, Failure, Reason};

/// The login of one connection.
pub(super) struct Session {
    login: Login,
    /// No second login because of a refusal before so long.
    relogin_after: Duration,
    current: Mutex<Option<Arc<Token>>>,
    /// Held while a call logs in or renews.
    flight: tokio::sync::Mutex<Flight>,
    /// How many such calls have ended.
    ended: AtomicU64,
}

#[derive(Default)]
struct Flight {
    /// How the last login failed.
    failure: Option<Failure>,
    /// When a refusal last caused a login that the server answered, and how it failed.
    after_refusal: Option<(Instant, Option<Failure>)>,
}

impl Session {
    /// Checks the login; makes no call. Fails with a sentence that names the field and repeats no credential.
    pub(super) fn new(login: Login, relogin_after: Duration) -> Result<Self, String> {
        let (login, current) = match login {
            Login::Token(token) => {
                let token = settings::header("token", &token)?;
                (Login::Token(String::new()), Some(Arc::new(Token::given(token))))
            }
            Login::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let login = Login::AppRole {
                    mount: super::path::mount("appRole.mountPath", &mount)?,
                    role_id: settings::credential("appRole.roleID", &role_id)?,
                    secret_id: settings::credential("appRole secret id", &secret_id)?,
                };
                (login, None)
            }
            Login::ServiceAccount {
                mount,
                role,
                audience,
                token_file,
            } => {
                let login = Login::ServiceAccount {
                    mount: super::path::mount("mountPath", &mount)?,
                    role: settings::credential("role", &role)?,
                    audience,
                    token_file,
                };
                (login, None)
            }
        };
        Ok(Self {
            login,
            relogin_after,
            current: Mutex::new(current),
            flight: tokio::sync::Mutex::default(),
            ended: AtomicU64::new(0),
        })
    }

    /// Whether a new token can be had.
    fn can_log_in(&self) -> bool {
        !matches!(self.login, Login::Token(_))
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.current.lock().clone()
    }

    /// The token, unless it has ended and there can be another.
    fn valid(&self) -> Option<Arc<Token>> {
        self.current().filter(|token| !self.can_log_in() || !token.has_ended())
    }

    /// A token; logs in if there is none.
    pub(super) async fn token(&self, caller: &Caller) -> Result<Arc<Token>, Failure> {
        if let Some(token) = self.valid() {
            return Ok(token);
        }
        let ended = self.ended.load(Ordering::Acquire);
        let mut flight = self.flight.lock().await;
        if let Some(token) = self.valid() {
            return Ok(token);
        }
        if let Some(failure) = self.failed_since(ended, &flight) {
            return Err(failure);
        }
        self.log_in(caller, &mut flight).await
    }

    /// The failure of a login for which this call has waited: those who wait do not all try, one after another.
    fn failed_since(&self, ended: u64, flight: &Flight) -> Option<Failure> {
        flight
            .failure
            .clone()
            .filter(|_| self.ended.load(Ordering::Acquire) != ended)
    }

    fn end(&self, flight: &mut Flight, failure: Option<&Failure>) {
        flight.failure = failure.cloned();
        self.ended.fetch_add(1, Ordering::Release);
    }

    /// Logs in and keeps the token.
    async fn log_in(&self, caller: &Caller, flight: &mut Flight) -> Result<Arc<Token>, Failure> {
        let result = wire::log_in(caller, &self.login).await;
        self.end(flight, result.as_ref().err());
        result.map(|token| self.keep(token))
    }

    /// Whether a given token is still one.
    async fn verify(&self, caller: &Caller, token: &Token) -> Result<(), Failure> {
        match wire::look_up(caller, &token.secret).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.reason == Reason::Denied => Err(wire::token_refused(caller)),
            Err(failure) => Err(failure),
        }
    }

    fn keep(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        *self.current.lock() = Some(token.clone());
        token
    }

    /// After a 401 or 403 with this token: another token if a new login may help, none if the refusal stands.
    pub(super) async fn after_refusal(&self, caller: &Caller, refused: &Token) -> Result<Option<Arc<Token>>, Failure> {
        if self.can_log_in() && refused.age() < self.relogin_after {
            return Ok(None);
        }
        let ended = self.ended.load(Ordering::Acquire);
        let mut flight = self.flight.lock().await;
        if let Some(other) = self.valid().filter(|other| !other.is_same_login(refused)) {
            return Ok(Some(other));
        }
        if let Some((when, failure)) = &flight.after_refusal
            && when.elapsed() < self.relogin_after
        {
            return failure.clone().map_or(Ok(None), Err);
        }
        if let Some(failure) = self.failed_since(ended, &flight) {
            return Err(failure);
        }
        let result = if self.can_log_in() {
            self.log_in(caller, &mut flight).await.map(Some)
        } else {
            let verified = self.verify(caller, refused).await;
            self.end(&mut flight, verified.as_ref().err());
            verified.map(|()| None)
        };
        // A login that an outage prevented does not count: the circuit limits those.
        match &result {
            Ok(_) => flight.after_refusal = Some((Instant::now(), None)),
            Err(failure) if failure.reason.class() == Class::Login => {
                flight.after_refusal = Some((Instant::now(), Some(failure.clone())));
            }
            Err(_) => {}
        }
        result
    }

    /// One authenticated call.
    pub(super) async fn check(&self, caller: &Caller) -> Result<(), Failure> {
        let token = self.token(caller).await?;
        match wire::look_up(caller, &token.secret).await {
            Ok(life) => {
                self.note(&token, life);
                Ok(())
            }
            Err(failure) if failure.reason != Reason::Denied => Err(failure),
            Err(_) if !self.can_log_in() => Err(wire::token_refused(caller)),
            Err(_) if token.age() < self.relogin_after => Ok(()),
            Err(failure) => match self.after_refusal(caller, &token).await? {
                Some(_) => Ok(()),
                None => Err(failure),
            },
        }
    }

    /// Keeps what a look-up has found about a given token.
    fn note(&self, token: &Arc<Token>, life: Life) {
        let mut current = self.current.lock();
        if token.life == Life::Unknown && current.as_ref().is_some_and(|current| Arc::ptr_eq(current, token)) {
            *current = Some(Arc::new(token.with_life(life)));
        }
    }

    /// Renews the token, or logs in anew, if that is due. Returns when it is due next.
    pub(super) async fn renew(&self, caller: &Caller) -> Result<Option<Duration>, Failure> {
        if let Some(token) = self.current().filter(|token| token.life == Life::Unknown) {
            match wire::look_up(caller, &token.secret).await {
                Ok(life) => self.note(&token, life),
                // It may be good for reading; `check` and reads say what they find.
                Err(failure) if failure.reason == Reason::Denied => return Ok(None),
                Err(failure) => return Err(failure),
            }
        }
        if self.due() == Due::Now {
            let mut flight = self.flight.lock().await;
            if let Some(token) = self.current().filter(|_| self.due() == Due::Now) {
                self.renew_now(caller, &token, &mut flight).await?;
            }
        }
        Ok(match self.due() {
            // Never at once again, whatever the server grants.
            Due::Now => Some(token::SOONEST),
            Due::In(wait) => Some(wait),
            Due::Never => None,
        })
    }

    /// Revokes the token of our own login. A token that was given to us may have other users.
    pub(super) async fn close(&self, caller: &Caller) -> Result<(), Failure> {
        if !self.can_log_in() {
            return Ok(());
        }
        let token = self.current.lock().take();
        match token.filter(|token| !token.has_ended()) {
            Some(token) => wire::revoke(caller, &token.secret).await,
            None => Ok(()),
        }
    }

    fn due(&self) -> Due {
        self.current().map_or(Due::Never, |token| token.due(self.can_log_in()))
    }

    async fn renew_now(&self, caller: &Caller, token: &Token, flight: &mut Flight) -> Result<(), Failure> {
        let can_log_in = self.can_log_in();
        if token.kind() == TokenKind::Renewable && !token.has_ended() {
            match wire::renew(caller, token).await {
                // Near its greatest age a token is renewed for ever shorter times.
                Ok(renewed) if can_log_in && renewed.is_shortened(token) => {}
                Ok(renewed) => {
                    self.keep(renewed);
                    return Ok(());
                }
                Err(failure) if can_log_in && failure.reason == Reason::Denied => {}
                Err(failure) if failure.reason == Reason::Denied => return Err(wire::token_refused(caller)),
                Err(failure) => return Err(failure),
            }
        }
        if can_log_in {
            self.log_in(caller, flight).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
