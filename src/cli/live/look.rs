//! Colours and figures of the live views.

use ratatui::style::{Color, Modifier, Style};

use super::super::output::Tone;
use crate::contract::NodeState;

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Look {
    pub(in crate::cli) colour: bool,
}

impl Look {
    pub(in crate::cli) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Good => self.colour(Color::Green),
            Tone::Doubtful => self.colour(Color::Yellow),
            Tone::Bad => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Quiet => Style::new().add_modifier(Modifier::DIM),
            Tone::Plain => Style::new(),
        }
    }

    pub(in crate::cli) fn colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(in crate::cli) fn node(self, state: NodeState) -> Style {
        self.tone(match state {
            NodeState::Connected => Tone::Good,
            NodeState::Disconnected => Tone::Bad,
            NodeState::Connecting | NodeState::Registered => Tone::Doubtful,
            NodeState::Discovered => Tone::Quiet,
        })
    }
}

/// `12.3 Mbit/s`: three digits are enough to see what is big.
pub(in crate::cli) fn bits(bits: u64) -> String {
    let (figure, prefix) = scaled(bits);
    format!("{figure} {prefix}bit/s")
}

/// `1.20 k/s`
pub(in crate::cli) fn packets(packets: u64) -> String {
    let (figure, prefix) = scaled(packets);
    format!("{figure} {prefix}/s")
}

#[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
fn scaled(number: u64) -> (String, &'static str) {
    let (mut scaled, mut prefixes) = (number as f64, ["", "k", "M", "G", "T"].into_iter());
    let mut prefix = prefixes.next().unwrap_or_default();
    for next in prefixes {
        if scaled < 999.5 {
            break;
        }
        (scaled, prefix) = (scaled / 1_000.0, next);
    }
    let figure = match scaled {
        _ if prefix.is_empty() => format!("{scaled:.0}"),
        ..9.995 => format!("{scaled:.2}"),
        9.995..99.95 => format!("{scaled:.1}"),
        _ => format!("{scaled:.0}"),
    };
    (figure, prefix)
}
