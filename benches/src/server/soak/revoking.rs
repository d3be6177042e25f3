//! A client that takes its access tokens back (RFC 7009), and looks whether that is true.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::gatepass::{Installation, member};
use crate::load::Connection;

/// Between two revocations: each is remembered until its token has expired, so that a steady trickle comes to a steady number.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Revoking<'i> {
    installation: &'i Installation,
    address: SocketAddr,
    connection: Connection,
    /// What brings a token.
    request: Vec<u8>,
}

impl<'i> Revoking<'i> {
    pub(super) async fn connect(installation: &'i Installation, audience: &str) -> Result<Self> {
        let address = installation.address;
        let connection = Connection::open(address).await?;
        Ok(Self {
            installation,
            address,
            connection,
            request: installation.token_request(audience, "orders:read"),
        })
    }

    /// Revokes for so long; says how often.
    pub(super) async fn run(&mut self, duration: Duration) -> Result<usize> {
        let until = Instant::now() + duration;
        let mut revoked = 0;
        while Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
            let answer = self.connection.exchange(&self.request).await?;
            let token = member(answer.body, "access_token")?;
            ensure!(self.is_active(&token).await?, "a new token is said to be inactive");
            let request = self.installation.form(self.address, "/oauth/revoke", &format!("token={token}"));
            let status = self.connection.exchange(&request).await?.status;
            ensure!(status == 200, "revocation: status {status}");
            ensure!(!self.is_active(&token).await?, "a revoked token is said to be active");
            revoked += 1;
        }
        Ok(revoked)
    }

    async fn is_active(&mut self, token: &str) -> Result<bool> {
        let request = self.installation.introspection_request(self.address, "/oauth/introspect", token);
        let answer = self.connection.exchange(&request).await?;
        ensure!(answer.status == 200, "introspection: status {}", answer.status);
        Ok(serde_json::from_slice::<Value>(answer.body)?["active"] == true)
    }
}
