//! The demo API as a program:
//!
//! ```text
//! orders --listen 127.0.0.1:9001 --issuer https://auth.example.com --audience https://api.example.com
//! ```

use std::error::Error;
use std::time::Duration;

use gatepass_guard::{Feed, Guard, IssuerConfig, OnStale, Revocation, WhenStale};
use tokio::net::TcpListener;
use url::Url;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut listen, mut issuer, mut audience) = ("127.0.0.1:9001".to_owned(), None, None);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => listen = value,
            "--issuer" => issuer = Some(value),
            "--audience" => audience = Some(value),
            _ => {
                return Err(
                    format!("{name} is not known; there are --listen, --issuer and --audience").into()
                );
            }
        }
    }
    let issuer = issuer.ok_or("--issuer says whose tokens to trust")?;
    let audience = audience.ok_or("--audience says which tokens are meant for this API")?;

    // Half a minute without news of revocations is enough to stop trusting tokens.
    let on_stale = OnStale { after: Duration::from_secs(30), then: WhenStale::Deny };
    // Such a name is often the URL at which clients reach the API.
    let public_url = Url::parse(&audience).ok();
    let config = IssuerConfig::new(issuer, [audience], Revocation::Feed(Feed::new(on_stale)));
    let guard = Guard::start([config]).await?;

    let listener = TcpListener::bind(&listen).await?;
    println!("orders: http://{}", listener.local_addr()?);
    let interrupted = async {
        // Without a signal handler there is nothing to wait for, and nothing to stop for either.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    gatepass_orders::serve(listener, guard, public_url.as_ref(), interrupted).await?;
    Ok(())
}
