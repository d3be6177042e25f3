//! The issuer on its store, as every command that needs one opens it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use gatepass_issuer::admin::{AdminError, ChangeClient, NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{Client, ClientExtensions, GrantType};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::user::{Role, RoleName};
use gatepass_issuer::{ADMIN_SCOPE, ClientDocuments, Issuer};
use gatepass_server::{Clock, DocumentKeys, Fetch, Outbound};
use gatepass_store::Embedded;
use tokio_util::sync::CancellationToken;

use crate::config::{ClientDocumentConfig, ServerConfig};
use crate::data::DataDir;
use crate::{clock, master_key};

/// How often the issuer looks after its keys and forgets what nobody needs.
const MAINTENANCE: Duration = Duration::from_secs(5);

/// The client with which this machine's command line administers a running server.
pub(crate) const OPERATOR: &str = "operator";

/// An open issuer and the store under it.
pub(crate) struct Backend {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) data: DataDir,
    store: Arc<Embedded>,
    /// Reaches what clients that registered themselves name by URL.
    client_urls: Fetch,
}

impl Backend {
    /// Opens the store and the issuer, and makes what every installation has: the role `admin` and
    /// the operator's client.
    pub(crate) async fn open(config: &ServerConfig, admin_scopes: &str) -> anyhow::Result<Self> {
        let (data, store) = open_store(config)?;
        Self::open_on(config, data, store, admin_scopes).await
    }

    /// The same for a server, which does not start while there is a client that could do nothing there: better told now than
    /// when its users want to log in. Nothing has changed then, and the configuration of before goes on.
    pub(crate) async fn open_to_serve(config: &ServerConfig) -> anyhow::Result<Self> {
        let (data, store) = open_store(config)?;
        let unfit = config.issuer.unfit_clients(&*store).await?;
        // The operator's own is for this issuer alone, whatever it was called before.
        let others = unfit.iter().filter(|(id, _)| id.as_str() != OPERATOR);
        let lines: Vec<String> = others.map(|(id, why)| format!("client {id}: {why}")).collect();
        if !lines.is_empty() {
            let cure =
                "take `profile.fapi2` out, or disable them (gatepass client disable) and register them anew";
            bail!("{}; {cure}", lines.join("; "));
        }
        Self::open_on(config, data, store, "").await
    }

    async fn open_on(
        config: &ServerConfig,
        data: DataDir,
        store: Arc<Embedded>,
        admin_scopes: &str,
    ) -> anyhow::Result<Self> {
        let mut issuer = master_key::open(config, &data, &store).await?;
        if let Some(ClientDocumentConfig { policy, fetch }) = &config.client_documents {
            let keys = Arc::new(DocumentKeys::new(fetch.clone()));
            let documents = ClientDocuments::new(policy.clone(), Arc::new(fetch.clone()), keys);
            issuer = issuer.with_client_documents(documents);
        }
        let client_urls = Arc::new(config.client_urls.clone());
        issuer =
            issuer.with_remote_documents(Arc::clone(&client_urls) as _).with_client_key_sets(client_urls);
        let client_urls = config.client_urls.clone();
        let backend = Self { issuer: Arc::new(issuer), data, store, client_urls };
        backend.ensure_admin_role(admin_scopes).await?;
        backend.ensure_operator().await?;
        Ok(backend)
    }

    async fn ensure_admin_role(&self, scopes: &str) -> anyhow::Result<()> {
        let admin = RoleName::admin();
        if self.issuer.list_roles().iter().any(|role| role.name == admin) {
            return Ok(());
        }
        let scope = format!("{ADMIN_SCOPE} {scopes}").trim_end().parse()?;
        Ok(self.issuer.put_role(Role { name: admin, scope }, clock::now()).await?)
    }

    async fn ensure_operator(&self) -> anyhow::Result<()> {
        let id: ClientId = OPERATOR.parse()?;
        let audience = vec![self.issuer.name().to_string()];
        let secret = match self.issuer.find_client(&id).await {
            Ok(client) => {
                let new_secret = self.data.operator_secret()?.is_none();
                let change = ChangeClient { new_secret, ..set_back(&client, audience)? };
                if change == ChangeClient::default() {
                    return Ok(());
                }
                let (_, secret) = self.issuer.change_client(&id, change, clock::now()).await?;
                if !new_secret {
                    return Ok(());
                }
                secret
            }
            Err(AdminError::Unknown) => {
                let new = NewClient {
                    id: Some(id),
                    name: "Command line on the server's own machine".to_owned(),
                    credential: NewCredential::Secret,
                    grants: vec![GrantType::ClientCredentials],
                    scope: ADMIN_SCOPE.parse()?,
                    audience,
                    sign_on: SignOnClient::default(),
                    exchange: None,
                    extensions: ClientExtensions::default(),
                };
                self.issuer.create_client(new, clock::now()).await?.1
            }
            Err(error) => return Err(error.into()),
        };
        let secret = secret.context("the operator's client has no secret")?;
        self.data.keep_operator_secret(secret.expose())
    }

    /// Looks after the issuer until `stop`, and sends what it has to tell clients.
    pub(crate) fn maintain(&self, stop: CancellationToken) -> tokio::task::JoinHandle<()> {
        let issuer = Arc::clone(&self.issuer);
        let outbound = Outbound::new(self.client_urls.clone());
        let delivery = outbound.deliver(Arc::clone(&issuer), Clock::new(clock::now), stop.clone());
        let maintenance = async move {
            let mut ticks = tokio::time::interval(MAINTENANCE);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = issuer.maintain(clock::now()).await {
                    tracing::error!(%error, "maintenance failed and is tried again");
                }
            }
        };
        tokio::spawn(async {
            tokio::join!(maintenance, delivery);
        })
    }

    /// Closes the store: everything acknowledged is in the file, and the file is in one piece.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let Self { issuer, data, store, .. } = self;
        data.withdraw();
        // What is kept now and then, such as tokens' places in status lists.
        if let Err(error) = issuer.maintain(clock::now()).await {
            tracing::error!(%error, "the last maintenance failed");
        }
        drop(issuer);
        Ok(store.close().await?)
    }
}

fn open_store(config: &ServerConfig) -> anyhow::Result<(DataDir, Arc<Embedded>)> {
    let data = DataDir::create(&config.data)?;
    config.master_key.ensure(&data)?;
    let store = Arc::new(Embedded::open(data.path())?);
    Ok((data, store))
}

/// What must change about the operator's client for it to get its token here: whatever was made of it, and whatever this
/// issuer was called before.
fn set_back(client: &Client, audience: Vec<String>) -> anyhow::Result<ChangeClient> {
    let scope = ADMIN_SCOPE.parse()?;
    let grants = vec![GrantType::ClientCredentials];
    let ClientExtensions {
        dpop_bound_access_tokens: is_bound_to_key,
        tls_client_certificate_bound_access_tokens: is_bound_to_certificate,
        ..
    } = client.extensions;
    Ok(ChangeClient {
        audience: (client.audience != audience).then_some(audience),
        scope: (client.scope != scope).then_some(scope),
        grants: (client.grants != grants).then_some(grants),
        dpop_bound_access_tokens: is_bound_to_key.then_some(false),
        tls_client_certificate_bound_access_tokens: is_bound_to_certificate.then_some(false),
        disabled: client.disabled.then_some(false),
        ..ChangeClient::default()
    })
}
