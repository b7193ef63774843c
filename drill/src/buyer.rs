//! One buyer: an HTTP client with a cookie jar, as a browser is.

use anyhow::{Context, Result, ensure};
use reqwest::header::{COOKIE, HeaderMap};
use reqwest::{Method, StatusCode, Url, cookie::CookieStore, cookie::Jar};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::live::Live;

/// How long one request may take before a buyer gives up on it.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One buyer.
#[derive(Debug, Clone)]
pub struct Buyer {
    base: Url,
    http: reqwest::Client,
    jar: Arc<Jar>,
}

/// What came back, unread.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, to the letter.
    pub text: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; text that is not JSON is a JSON string.
    pub body: Value,
}

impl Buyer {
    /// A buyer who was never here before.
    pub fn new(base: &str) -> Result<Self> {
        Self::with_timeout(base, TIMEOUT)
    }

    /// A new buyer who gives up on a request after so long.
    pub fn with_timeout(base: &str, timeout: Duration) -> Result<Self> {
        let jar = Arc::new(Jar::default());
        let http = reqwest::Client::builder().cookie_provider(Arc::clone(&jar)).timeout(timeout).build()?;
        Ok(Self { base: Url::parse(base).context("the target is not a URL")?, http, jar })
    }

    /// Where it buys.
    pub fn base(&self) -> &str {
        self.base.as_str()
    }

    /// Sends one request.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        Ok(self.fetch(method, path, headers, body).await?.read())
    }

    /// Sends one request, and leaves the answer unread.
    pub async fn fetch(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let mut request = self.http.request(method, self.base.join(path)?);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Reply { status, headers, text: response.text().await? })
    }

    /// Whether the jar has a cookie of this name.
    pub fn has_cookie(&self, name: &str) -> bool {
        let cookies = self.jar.cookies(&self.base);
        let line = cookies.as_ref().and_then(|line| line.to_str().ok()).unwrap_or_default();
        line.split("; ").any(|cookie| cookie.split_once('=').is_some_and(|(found, _)| found == name))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], None).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// POST with a fresh `Idempotency-Key`, as the web client does.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.post_keyed(path, &uuid::Uuid::new_v4().to_string(), body).await
    }

    /// POST with a key of one's own.
    pub async fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, &[("idempotency-key", key)], Some(body)).await
    }

    /// Holds seats by name.
    pub async fn hold(&self, show: &str, seats: &[&str]) -> Result<Answer> {
        self.post(&format!("/api/shows/{show}/holds"), &json!({ "seats": seats })).await
    }

    /// Confirms a hold with the test provider's token.
    pub async fn confirm(&self, hold: &str, token: &str) -> Result<Answer> {
        let body = json!({ "email": "buyer@marquee.example", "payment": { "token": token } });
        self.post(&format!("/api/holds/{hold}/confirm"), &body).await
    }

    /// Whose the seats of a show are.
    pub async fn seats(&self, show: &str) -> Result<Answer> {
        self.get(&format!("/api/shows/{show}/seats")).await?.expect(StatusCode::OK)
    }

    /// Opens the live socket, with this buyer's cookies.
    pub async fn live(&self, show: Option<&str>) -> Result<Live> {
        let mut url = self.base.join("/api/live")?;
        if let Some(show) = show {
            url.query_pairs_mut().append_pair("show", show);
        }
        let cookies = self.jar.cookies(&self.base);
        url.set_scheme("ws").ok().context("the target is not http")?;
        Live::connect(url.as_str(), cookies.map(|value| (COOKIE.as_str(), value))).await
    }
}

impl Reply {
    /// The answer in it.
    pub fn read(self) -> Answer {
        let Self { status, headers, text } = self;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }
}

impl Answer {
    /// This answer, if it has the status; else an error that shows it.
    pub fn expect(self, status: StatusCode) -> Result<Self> {
        ensure!(self.status == status, "expected {status}, got {}: {}", self.status, self.body);
        Ok(self)
    }

    /// The problem's stable word, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A member that must be text.
    pub fn text(&self, member: &str) -> Result<&str> {
        self.body[member].as_str().with_context(|| format!("no text `{member}` in {}", self.body))
    }

    /// A member that must be a list.
    pub fn list(&self, member: &str) -> Result<&Vec<Value>> {
        self.body[member].as_array().with_context(|| format!("no list `{member}` in {}", self.body))
    }
}
