//! The calls of a login.
use std::path::Path;

use rustify::Endpoint;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};

use super::token::{Life, Token};
use crate::provider::http::Answer;
use crate::provider::vault::answer::{outage, strange};
use crate::provider::vault::call::{Caller, RevokeSelfRequest};
use crate::provider::vault::settings::{Login, is_header};
use crate::provider::{Failure, Reason};

/// The greatest token of a `ServiceAccount` that is read; real ones have about 1 KiB.
const LONGEST_TOKEN: u64 = 64 * 1024;

/// Gets a new token.
pub(super) async fn log_in(caller: &Caller, login: &Login) -> Result<Token, Failure> {
    let answer = match login {
        // `super::Session` never asks for it.
        Login::Token(_) => return Err(token_refused(caller)),
        Login::AppRole {
            mount,
            role_id,
            secret_id,
        } => {
            let request = LoginWithApproleRequest {
                mount: mount.clone(),
                role_id: role_id.clone(),
                secret_id: secret_id.clone(),
            };
            call(caller, "", request).await?
        }
        Login::ServiceAccount {
            mount,
            role,
            token_file,
            ..
        } => {
            let jwt = read_token(token_file)
                .await
                .map_err(|why| Failure::new(Reason::LoginRefused, why))?;
            // The methods kubernetes and jwt take the same body.
            let request = JWTLoginRequest {
                mount: mount.clone(),
                jwt,
                role: Some(role.clone()),
            };
            call(caller, "", request).await?
        }
    };
    granted(&answer, caller.host(), login)
}

/// A call about the login. An answer that is too large is none.
async fn call(caller: &Caller, token: &str, endpoint: impl Endpoint) -> Result<Answer, Failure> {
    caller
        .call(token, endpoint)
        .await
        .map_err(|failure| match failure.reason {
            Reason::TooLarge => Failure {
                reason: Reason::Unreachable,
                ..failure
            },
            _ => failure,
        })
}

/// The token of the `ServiceAccount`.
async fn read_token(file: &Path) -> Result<String, String> {
    let name = file.display();
    let opened = tokio::fs::File::open(file).await;
    let opened = opened.map_err(|error| format!("cannot read the ServiceAccount's token {name}: {}", error.kind()))?;
    let mut bytes = Vec::new();
    let read = opened.take(LONGEST_TOKEN).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("cannot read the ServiceAccount's token {name}: {}", error.kind()))?;
    match std::str::from_utf8(&bytes).map(str::trim) {
        Ok("") => Err(format!("the ServiceAccount's token {name} is empty")),
        Ok(token) => Ok(token.to_owned()),
        Err(_) => Err(format!("the ServiceAccount's token {name} is no text")),
    }
}

#[derive(Deserialize)]
struct Granted {
    auth: Option<Auth>,
}

#[derive(Deserialize)]
struct Auth {
    client_token: String,
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    token_type: Option<String>,
}

impl Auth {
    fn of(answer: &Answer) -> Option<Self> {
        serde_json::from_slice::<Granted>(&answer.body).ok()?.auth
    }

    fn life(&self) -> Life {
        let batch = self.token_type.as_deref() == Some("batch");
        Life::of(self.lease_duration, self.renewable && !batch)
    }
}

/// The answer to a login.
fn granted(answer: &Answer, host: &str, login: &Login) -> Result<Token, Failure> {
    if let Some(failure) = outage(answer, host) {
        return Err(failure);
    }
    match answer.status.as_u16() {
        200 => {}
        status @ (400 | 401 | 403 | 404) if answer.body.trim_ascii_start().starts_with(b"{") => {
            return Err(login_refused(status, host, login));
        }
        _ => return Err(bad_login_answer(answer, host)),
    }
    // A token that is no header would end the process in `vaultrs`.
    match Auth::of(answer) {
        Some(auth) if !auth.client_token.is_empty() && is_header(&auth.client_token) => {
            let life = auth.life();
            Ok(Token::new(auth.client_token, life))
        }
        _ => Err(bad_login_answer(answer, host)),
    }
}

/// Without a login nothing can be asked for, so this is an outage, not the failure of one object.
fn bad_login_answer(answer: &Answer, host: &str) -> Failure {
    Failure::new(Reason::Unreachable, format!("login at {host}: {}", strange(answer)))
}

fn login_refused(status: u16, host: &str, login: &Login) -> Failure {
    let text = match login {
        Login::Token(_) => format!("{host} refuses the token ({status})"),
        Login::AppRole { mount, role_id, .. } => format!(
            "{host} refuses the login at `auth/{mount}` ({status}): check that AppRole is mounted there, that the role `{role_id}` exists, and that the secret id is its own, not expired and not used up"
        ),
        Login::ServiceAccount {
            mount, role, audience, ..
        } => format!(
            "{host} refuses the login at `auth/{mount}` ({status}): check that the method is mounted there, that the role `{role}` exists and is bound to this ServiceAccount and its namespace, that its audience is `{audience}`, and that the server can verify tokens of this cluster"
        ),
    };
    Failure::new(Reason::LoginRefused, text)
}

/// A given token was refused.
pub(super) fn token_refused(caller: &Caller) -> Failure {
    let text = format!(
        "{} refuses the token: it has expired, was revoked, or has not the policy `default`, by which a token looks itself up; put a new one into the credential's Secret",
        caller.host()
    );
    Failure::new(Reason::LoginRefused, text)
}

/// How long the token still lives. [`Reason::Denied`] if it is none, or may not look itself up.
pub(super) async fn look_up(caller: &Caller, token: &str) -> Result<Life, Failure> {
    let answer = call(caller, token, LookupTokenSelfRequest {}).await?;
    looked_up(&answer, caller.host())
}

fn looked_up(answer: &Answer, host: &str) -> Result<Life, Failure> {
    #[derive(Deserialize)]
    struct LookedUp {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        ttl: u64,
        #[serde(default)]
        renewable: bool,
    }
    own_call(answer, host)?;
    match serde_json::from_slice::<LookedUp>(&answer.body) {
        Ok(LookedUp { data }) => Ok(Life::of(data.ttl, data.renewable)),
        Err(_) => Err(bad_login_answer(answer, host)),
    }
}

/// Renews a token. [`Reason::Denied`] if that is refused.
pub(super) async fn renew(caller: &Caller, token: &Token) -> Result<Token, Failure> {
    let answer = call(caller, &token.secret, RenewTokenSelfRequest { increment: None }).await?;
    let life = renewed(&answer, caller.host())?;
    Ok(token.with_life(life))
}

fn renewed(answer: &Answer, host: &str) -> Result<Life, Failure> {
    own_call(answer, host)?;
    let auth = Auth::of(answer).ok_or_else(|| bad_login_answer(answer, host))?;
    Ok(auth.life())
}

/// Revokes a token. [`Reason::Denied`] if that is refused: a batch token ends by itself only.
pub(super) async fn revoke(caller: &Caller, token: &str) -> Result<(), Failure> {
    let answer = call(caller, token, RevokeSelfRequest).await?;
    match answer.status.as_u16() {
        204 => Ok(()),
        _ => own_call(&answer, caller.host()),
    }
}

/// Whether a call about the token itself was answered.
fn own_call(answer: &Answer, host: &str) -> Result<(), Failure> {
    if let Some(failure) = outage(answer, host) {
        return Err(failure);
    }
    match answer.status.as_u16() {
        200 => Ok(()),
        // 400: the token cannot be renewed.
        400 | 401 | 403 if answer.body.trim_ascii_start().starts_with(b"{") => {
            Err(Failure::new(Reason::Denied, format!("{host} refuses the token")))
        }
        _ => Err(bad_login_answer(answer, host)),
    }
}

#[cfg(test)]
mod tests;
