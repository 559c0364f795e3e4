//! The terminal as a screen: taken over, and given back however the program ends.

use std::io::{self, IsTerminal, Stdout};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use futures_util::StreamExt;
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

use super::super::exit::{Exit, Failure};

/// Whether there is a terminal to draw on.
pub(in crate::cli) fn is_possible() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_dumb
}

/// The screen. Dropped, it gives the terminal back.
pub(in crate::cli) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over. A panic gives it back before it is told.
    pub(in crate::cli) fn open() -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::new(Exit::No, format!("cannot use the terminal: {error}"));
        enable_raw_mode().map_err(cannot)?;
        before_panics(give_back);
        let opened = execute!(io::stdout(), EnterAlternateScreen, Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match opened {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(cannot(error))
            }
        }
    }

    /// Draws anew; only what has changed is written.
    pub(in crate::cli) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Failure> {
        let drawn = self.terminal.draw(draw).map(|_| ());
        drawn.map_err(|error| Failure::new(Exit::No, format!("cannot draw: {error}")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // There is nobody left to complain to.
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Has `first` done before a panic is told.
pub(super) fn before_panics(first: impl Fn() + Send + Sync + 'static) {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        first();
        tell(panic);
    }));
}

/// What somebody at the keyboard wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Key {
    Leave,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Sort,
    Pause,
    /// The screen has another size.
    Redraw,
}

impl Key {
    pub(super) fn of(event: &Event) -> Option<Self> {
        let KeyEvent { code, modifiers, .. } = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => key,
            Event::Resize(..) => return Some(Self::Redraw),
            _ => return None,
        };
        let is_control = modifiers.contains(KeyModifiers::CONTROL);
        Some(match code {
            KeyCode::Char('c') if is_control => Self::Leave,
            KeyCode::Char('l') if is_control => Self::Redraw,
            KeyCode::Char(_) if is_control => return None,
            KeyCode::Char('q') | KeyCode::Esc => Self::Leave,
            KeyCode::Char('k') | KeyCode::Up => Self::Up,
            KeyCode::Char('j') | KeyCode::Down => Self::Down,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Char('g') | KeyCode::Home => Self::First,
            KeyCode::Char('G') | KeyCode::End => Self::Last,
            KeyCode::Char('s') => Self::Sort,
            KeyCode::Char('p') => Self::Pause,
            _ => return None,
        })
    }
}

/// The keyboard.
pub(in crate::cli) struct Keys(EventStream);

impl Keys {
    pub(in crate::cli) fn new() -> Self {
        Self(EventStream::new())
    }

    /// The next key that means something. May be dropped at any time. A keyboard that is gone means leaving.
    pub(in crate::cli) async fn next(&mut self) -> Key {
        loop {
            match self.0.next().await {
                Some(Ok(event)) => {
                    if let Some(key) = Key::of(&event) {
                        return key;
                    }
                }
                Some(Err(_)) | None => return Key::Leave,
            }
        }
    }
}
