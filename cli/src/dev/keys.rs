//! What ends development: the key `q` on a terminal, SIGINT and SIGTERM anywhere.

use super::Event;
use anyhow::{Context, Result};
use crossterm::event::{self, Event as Input, KeyCode, KeyModifiers};
use signal_hook::consts::signal::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io::IsTerminal;
use std::sync::mpsc::Sender;

pub struct Keys {
    signals: Handle,
}

impl Keys {
    pub fn start(sender: Sender<Event>) -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for SIGINT and SIGTERM")?;
        let handle = signals.handle();
        let from_signals = sender.clone();
        std::thread::spawn(move || {
            signals.forever().take_while(|_| from_signals.send(Event::Quit).is_ok()).for_each(drop)
        });
        if std::io::stdin().is_terminal() {
            std::thread::spawn(move || {
                while let Ok(input) = event::read() {
                    if ends(&input) && sender.send(Event::Quit).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { signals: handle })
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.signals.close();
    }
}

/// In raw mode Ctrl-C is a key like others.
fn ends(input: &Input) -> bool {
    let Input::Key(key) = input else { return false };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!(key.code, KeyCode::Char('q')) || control && matches!(key.code, KeyCode::Char('c' | 'd'))
}
