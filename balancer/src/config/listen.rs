//! `[listen]` and `threads`: where the balancer listens, and with how much.

use std::net::SocketAddr;

use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// Worker threads.
pub const THREADS_MAX: usize = 1_024;

/// `[listen]` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Address of the public listener.
    public: String,
    /// Address of the admin listener.
    admin: String,
    /// What the admin listener's clients must show as a bearer; needed when it is not on loopback.
    admin_token: Option<String>,
}

impl Default for Written {
    fn default() -> Self {
        Self { public: "127.0.0.1:8080".into(), admin: "127.0.0.1:8081".into(), admin_token: None }
    }
}

/// Where the balancer listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address of the public listener.
    pub public: SocketAddr,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    /// What the admin listener's clients must show; nothing when only this machine reaches it.
    pub admin_token: Option<String>,
}

impl Written {
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Listen, ConfigError> {
        let public = reader.address(&["listen", "public"], &self.public)?;
        let admin = self.admin(reader, public)?;
        Ok(Listen { public, admin, admin_token: self.admin_token(reader, admin)? })
    }

    /// Both listeners on one socket would show the admin pages to everybody.
    fn admin(&self, reader: &Reader<'_>, public: SocketAddr) -> Result<SocketAddr, ConfigError> {
        let path = ["listen", "admin"];
        let admin = reader.address(&path, &self.admin)?;
        let (ours, theirs) = (admin.ip().to_canonical(), public.ip().to_canonical());
        let overlap = ours == theirs || ours.is_unspecified() || theirs.is_unspecified();
        if overlap && admin.port() == public.port() {
            return reader
                .wrong(&path, format!("`{admin}` is where `listen.public` listens; give it another port"));
        }
        Ok(admin)
    }

    /// The admin listener changes things, so it is open to this machine or to who knows the token.
    fn admin_token(self, reader: &Reader<'_>, admin: SocketAddr) -> Result<Option<String>, ConfigError> {
        let path = ["listen", "admin_token"];
        let visible = |token: &String| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        match self.admin_token {
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

/// Worker threads of the public listener; one per core when left out.
pub(super) fn threads(reader: &Reader<'_>, threads: Option<usize>) -> Result<usize, ConfigError> {
    match threads {
        Some(threads) => reader.size(&["threads"], threads, THREADS_MAX),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}
