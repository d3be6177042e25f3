//! `gatepass top`: what a gateway is doing, once a second, from what its operator's address tells.

mod overview;
mod screen;
mod view;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use url::Url;

use self::overview::Overview;
use self::view::View;
use crate::args::Top;
use crate::complaint::Complaint;
use crate::fetch::Fetch;
use crate::{print, process};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) async fn run(top: &Top) -> anyhow::Result<()> {
    let source = Source::new(&top.admin)?;
    // Without a terminal to draw on, as with --once: what there is, and the end.
    if top.once || !std::io::stdout().is_terminal() {
        let view = View::new(&source.overview().await?, None);
        if top.json {
            print::json(&serde_json::to_value(&view)?);
        } else {
            screen::lines(&view).iter().for_each(print::line);
        }
        return Ok(());
    }
    let stop = process::shutdown_on_signal()?;
    let mut screen = Screen::open()?;
    let mut keys = keys();
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut shown = screen::Shown::new(&top.admin);
    let mut before: Option<(Overview, Instant)> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            key = keys.recv() => match key {
                Some(Pressed::Quit) => return Ok(()),
                Some(Pressed::Other) => {}
                None => return Ok(()), // the terminal is gone
            },
            _ = ticks.tick() => {
                let (overview, at) = (source.overview().await, Instant::now());
                match overview {
                    Ok(overview) => {
                        let since = before.as_ref().map(|(before, then)| (before, at.duration_since(*then)));
                        shown.update(View::new(&overview, since));
                        before = Some((overview, at));
                    }
                    Err(error) => {
                        shown.fail(&error);
                        before = None;
                    }
                }
            }
        }
        screen.terminal.draw(|frame| shown.draw(frame))?;
    }
}

/// Where the numbers come from.
struct Source {
    fetch: Fetch,
    url: Url,
}

impl Source {
    fn new(admin: &str) -> Result<Self, Complaint> {
        let wrong = || {
            Complaint::unusable(format!("\"{}\" is no URL of a gateway's operator", admin.escape_debug()))
                .try_this("--admin http://127.0.0.1:9090, as the gateway's file has it under admin_listen")
        };
        let url = Url::parse(admin).ok().filter(|url| url.has_host()).and_then(|url| url.join("/stats").ok());
        // Nothing is sent that could be stolen, and nothing that is read is believed for more than a look.
        Ok(Self { fetch: Fetch::new(true)?, url: url.ok_or_else(wrong)? })
    }

    async fn overview(&self) -> Result<Overview, Complaint> {
        let body = self.fetch.document(&self.url).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Complaint::unusable(format!("{} does not answer as a gateway does", self.url)).at(error)
        })
    }
}

/// The terminal, which is as it was before when this is dropped.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn open() -> std::io::Result<Self> {
        // Restores the terminal before a panic is printed, too.
        Ok(Self { terminal: ratatui::try_init()? })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

enum Pressed {
    Quit,
    /// Something that asks to be drawn again, such as another size.
    Other,
}

/// Reading keys blocks, so it has a thread of its own; it ends with the process.
fn keys() -> mpsc::Receiver<Pressed> {
    let (sender, receiver) = mpsc::channel(8);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let pressed = match event {
                Event::Key(key) if is_quit(&key) => Pressed::Quit,
                _ => Pressed::Other,
            };
            if sender.blocking_send(pressed).is_err() {
                return;
            }
        }
    });
    receiver
}

fn is_quit(key: &KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind != KeyEventKind::Release
        && match key.code {
            KeyCode::Char('q') | KeyCode::Esc => true,
            KeyCode::Char('c') => control,
            _ => false,
        }
}
