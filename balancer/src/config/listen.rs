//! `[listen]` and `threads`: where the balancer listens, and with how much.

use std::net::SocketAddr;

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;
use crate::secret::Secret;

/// Worker threads.
pub const THREADS_MAX: usize = 1_024;

/// `[listen]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Address of the public listener.
    public: String,
    /// Address of a second public listener that speaks TLS; none when left out.
    tls: Option<String>,
    /// Address of the admin listener.
    admin: String,
    /// What the admin listener's clients must show as a bearer; needed when it is not on loopback.
    admin_token: Option<Secret>,
}

impl Default for Written {
    fn default() -> Self {
        Self { public: "127.0.0.1:8080".into(), tls: None, admin: "127.0.0.1:8081".into(), admin_token: None }
    }
}

/// Where the balancer listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address of the public listener.
    pub public: SocketAddr,
    /// Address of the public listener that speaks TLS.
    pub tls: Option<SocketAddr>,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    /// What the admin listener's clients must show; nothing when only this machine reaches it.
    pub admin_token: Option<Secret>,
}

impl Written {
    pub(super) fn read(&self, reader: &Reader<'_>) -> Result<Listen, ConfigError> {
        let public = reader.address(&["listen", "public"], &self.public)?;
        let admin = self.admin(reader, public)?;
        let tls = self.tls(reader, public, admin)?;
        Ok(Listen { public, tls, admin, admin_token: self.admin_token(reader, admin)? })
    }

    fn tls(
        &self,
        reader: &Reader<'_>,
        public: SocketAddr,
        admin: SocketAddr,
    ) -> Result<Option<SocketAddr>, ConfigError> {
        let (path, Some(text)) = (["listen", "tls"], &self.tls) else { return Ok(None) };
        let address = reader.address(&path, text)?;
        if overlap(address, public) || overlap(address, admin) {
            return reader
                .wrong(&path, format!("`{address}` is where another one listens; give it another port"));
        }
        Ok(Some(address))
    }

    /// Both listeners on one socket would show the admin pages to everybody.
    fn admin(&self, reader: &Reader<'_>, public: SocketAddr) -> Result<SocketAddr, ConfigError> {
        let path = ["listen", "admin"];
        let admin = reader.address(&path, &self.admin)?;
        if overlap(admin, public) {
            return reader
                .wrong(&path, format!("`{admin}` is where `listen.public` listens; give it another port"));
        }
        Ok(admin)
    }

    /// The admin listener changes things, so it is open to this machine or to who knows the token.
    fn admin_token(&self, reader: &Reader<'_>, admin: SocketAddr) -> Result<Option<Secret>, ConfigError> {
        let path = ["listen", "admin_token"];
        let visible =
            |token: &Secret| !token.is_empty() && token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        match self.admin_token.clone() {
            Some(token) if !visible(&token) => {
                reader.wrong(&path, "must be visible ASCII characters without spaces")
            }
            None if !admin.ip().to_canonical().is_loopback() => reader.wrong(
                &path,
                format!("missing, and `{admin}` is reached from outside; set a token or listen on 127.0.0.1"),
            ),
            token => Ok(token),
        }
    }
}

/// Whether both would be one socket.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (ours, theirs) = (one.ip().to_canonical(), other.ip().to_canonical());
    let shared = ours == theirs || ours.is_unspecified() || theirs.is_unspecified();
    shared && one.port() == other.port()
}

/// Worker threads of the public listener; one per core when left out.
pub(super) fn threads(reader: &Reader<'_>, threads: Option<usize>) -> Result<usize, ConfigError> {
    match threads {
        Some(threads) => reader.size(&["threads"], threads, THREADS_MAX),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}
