//! The API of a server, for tests that set it up and look into it.
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_secret_sync::provider::http::{Client, Options, client, send};
use reqwest::{Method, Request};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::PATIENCE;

/// A client of a server's API.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    url: String,
    token: String,
}

impl Api {
    pub(super) fn new(url: String, token: &str, ca: Option<Vec<u8>>) -> Result<Self> {
        let plain = url.starts_with("http://");
        let client = client(&Options::new(ca, plain)).map_err(anyhow::Error::msg)?;
        Ok(Self {
            client,
            url,
            token: token.to_owned(),
        })
    }

    /// The server's URL, without `/v1`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same server with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Calls `/v1/<path>`: status and body, null if that is empty.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let url = format!("{}/v1/{path}", self.url);
        let mut request = Request::new(Method::from_bytes(method.as_bytes())?, url.parse()?);
        request.headers_mut().insert("X-Vault-Token", self.token.parse()?);
        if !body.is_null() {
            *request.body_mut() = Some(body.to_string().into());
        }
        let answer = send(&self.client, request).await?;
        let value = match answer.body.as_slice() {
            b"" => Value::Null,
            body => serde_json::from_slice(body)?,
        };
        Ok((answer.status.as_u16(), value))
    }

    /// POST, which must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.succeed("POST", path, body).await
    }

    /// GET, which must succeed.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.succeed("GET", path, Value::Null).await
    }

    /// Any call, which must succeed.
    pub async fn succeed(&self, method: &str, path: &str, body: Value) -> Result<Value> {
        let (status, answer) = self.call(method, path, &body).await?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    pub(super) async fn until_healthy(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            // 200 is unsealed and active.
            match self.call("GET", "sys/health", &Value::Null).await {
                Ok((200, _)) => return Ok(()),
                other if Instant::now() > end => {
                    anyhow::bail!("the server is not healthy after {PATIENCE:?}: {other:?}")
                }
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
