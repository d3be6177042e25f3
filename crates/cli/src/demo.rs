//! The demo API, as a process of its own: `gatepass up` starts this program again with it.

use std::io::Read as _;
use std::time::Duration;

use gatepass_guard::{Feed, Guard, IssuerConfig, OnStale, Revocation, WhenStale};
use tokio::sync::oneshot;
use url::Url;

use crate::args::Demo;
use crate::serve::bind;
use crate::{print, process};

pub(crate) async fn run(demo: Demo) -> anyhow::Result<()> {
    let listener = bind(demo.listen, "--listen").await?;
    let address = listener.local_addr()?;
    // Its audience is where clients reach it, through the gateway.
    let public_url = Url::parse(&demo.audience).ok();
    let on_stale = OnStale { after: Duration::from_secs(30), then: WhenStale::Deny };
    let config = IssuerConfig::new(demo.issuer, [demo.audience], Revocation::Feed(Feed::new(on_stale)));
    let guard = Guard::start([config]).await?;
    guard.ready().await;
    print::line(format!("http://{address}"));
    let stop = process::shutdown_on_signal()?;
    let parent = end_of_input();
    let shutdown = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = parent => {}
        }
    };
    gatepass_orders::serve(listener, guard, public_url.as_ref(), shutdown).await?;
    Ok(())
}

/// The parent holds the other end and writes nothing: the end of input is the end of the parent, even
/// when it was killed. A thread of its own waits, because the runtime would wait for one of its own.
fn end_of_input() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = ended.send(());
    });
    end
}
