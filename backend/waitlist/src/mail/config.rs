//! Where mail goes, and what it says of us.

use std::path::PathBuf;

use lettre::message::Mailbox;
use serde::Deserialize;
use service::config::Validate;
use service::secret::Secret;

/// Mails are kept as files there, for development.
const FOLDER: &str = "file:";

/// `[mail]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// `smtp://` or `smtps://` with user and password, or `file:` and a folder. Nothing: no mail.
    pub url: Secret,
    /// Whom it is from.
    pub from: String,
    /// Where the pages are, as visitors reach them.
    pub page_url: String,
    /// How long a server may take for one mail.
    pub timeout_ms: u64,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            from: "Marquee <tickets@marquee.example>".to_owned(),
            page_url: "http://127.0.0.1:8080".to_owned(),
            timeout_ms: 10_000,
        }
    }
}

/// A kind of place that mail is sent to.
pub(super) enum Target<'a> {
    Nowhere,
    Folder(PathBuf),
    Server(&'a str),
}

impl MailConfig {
    pub(super) fn target(&self) -> Target<'_> {
        match self.url.reveal().strip_prefix(FOLDER) {
            _ if self.url.is_empty() => Target::Nowhere,
            Some(folder) => Target::Folder(folder.into()),
            None => Target::Server(self.url.reveal()),
        }
    }
}

impl Validate for MailConfig {
    /// Says nothing of what is in the URL.
    fn validate(&self) -> Result<(), String> {
        let schemes = ["smtp://", "smtps://", "file:/"];
        if !self.url.is_empty() && !schemes.iter().any(|scheme| self.url.reveal().starts_with(scheme)) {
            return Err("`mail.url` is `smtp://…`, `smtps://…`, `file:/folder`, or empty for no mail".into());
        }
        if self.from.parse::<Mailbox>().is_err() {
            return Err(format!(
                "`mail.from`: {:?} is not such as `Marquee <tickets@marquee.example>`",
                self.from
            ));
        }
        let page = reqwest::Url::parse(&self.page_url);
        if !page.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(format!(
                "`mail.page_url`: {:?} is not such as `https://tickets.example`",
                self.page_url
            ));
        }
        if self.timeout_ms == 0 {
            return Err("`mail.timeout_ms` must be at least 1".into());
        }
        super::post::Post::new(self).map(drop).map_err(|error| format!("`mail.url`: {error}"))
    }
}
