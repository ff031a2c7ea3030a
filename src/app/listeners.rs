//! The sockets of a relay.

use super::Fault;
use crate::config::Config;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The two sockets, bound.
#[derive(Debug)]
pub struct Listeners {
    /// For callbacks.
    pub http: TcpListener,
    /// For probes and metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds both addresses of the settings.
    ///
    /// # Errors
    /// If one of them is taken, or not ours.
    pub async fn bind(config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            http: bind("http.listen", config.http.listen).await?,
            admin: bind("admin.listen", config.admin_listen).await?,
        })
    }

    /// Where they listen, which the settings may leave to the system: `http` and `admin`.
    pub(super) fn addresses(&self, config: &Config) -> Result<(SocketAddr, SocketAddr), Fault> {
        let address = |listener: &TcpListener, setting, address| {
            listener.local_addr().map_err(|source| Fault::Listen {
                setting,
                address,
                source,
            })
        };
        Ok((
            address(&self.http, "http.listen", config.http.listen)?,
            address(&self.admin, "admin.listen", config.admin_listen)?,
        ))
    }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, Fault> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Fault::Listen {
            setting,
            address,
            source,
        })
}
