//! `dead-letters`: lists records that could not be scored, and replays them.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::UsageError;
use super::interrupt::Interrupt;
use super::kafka::PATIENCE;
use super::letter_text::{letter_json, letter_line, letter_text, shown_value_json};
use super::output::{self, count};
use crate::base::clock::now_millis;
use crate::base::config::{Settings, parse_duration};
use crate::core::codec::Reason;
use crate::files::parse_time;
use crate::service::connection;
use crate::stream::dead_letters::{Place, Replayed, Selection, Topic, find, list, replay};

#[derive(Debug, Subcommand)]
pub(super) enum Arguments {
    /// List dead letters, the newest last
    #[command(after_help = "Examples:\n  \
        synfinance dead-letters list\n  \
        synfinance dead-letters list --reason unknown_schema --since 2h --json")]
    List(List),
    /// Show one dead letter with all its headers and its value
    #[command(after_help = "Examples:\n  \
        synfinance dead-letters show 0:123\n  \
        synfinance dead-letters show 0:123 --value record.bin")]
    Show(Show),
    /// Produce dead letters again to where they came from, byte for byte
    #[command(after_help = "Examples:\n  \
        synfinance dead-letters replay --reason unknown_schema --dry-run\n  \
        synfinance dead-letters replay 0:123 0:124\n\n\
        Letters stay where they are: a second replay sends them again. A transaction whose id is \
        remembered meanwhile, because it was scored or because it could be read when windows were \
        restored, is a repeat and not scored within state.dedup_horizon; replay it after that.")]
    Replay(Replay),
}

/// Which letters, by what they say.
#[derive(Debug, Args)]
struct Filter {
    /// Only those set aside for this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,

    /// Only those set aside since: RFC 3339, epoch milliseconds, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

/// Arguments of `dead-letters list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Most letters that are listed
    #[arg(long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,

    #[command(flatten)]
    filter: Filter,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `dead-letters show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// PARTITION:OFFSET of the letter
    place: Place,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Write the value to a file, byte for byte
    #[arg(long, value_name = "FILE")]
    value: Option<PathBuf>,
}

/// Arguments of `dead-letters replay`.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// PARTITION:OFFSET of letters; default: all that the options leave
    #[arg(value_name = "PARTITION:OFFSET")]
    places: Vec<Place>,

    #[command(flatten)]
    filter: Filter,

    /// Replay every dead letter there is
    #[arg(long, conflicts_with_all = ["places", "reason", "since"])]
    all: bool,

    /// Say what would be replayed, and produce nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> anyhow::Result<()> {
    let interrupt = Interrupt::listen()?;
    let stream = &settings.stream;
    let connection = connection(stream)?;
    let topic = Topic {
        connection: &connection,
        group_id: &stream.group_id,
        name: &stream.topics.dead_letters,
        patience: PATIENCE,
        stop: interrupt.flag(),
    };
    match arguments {
        Arguments::List(arguments) => run_list(arguments, &topic),
        Arguments::Show(arguments) => run_show(arguments, &topic),
        Arguments::Replay(arguments) => run_replay(arguments, &topic, &stream.topics.transactions),
    }
}

impl Filter {
    fn selection(&self, places: &[Place], now: i64) -> Result<Selection, UsageError> {
        if let Some(reason) = &self.reason
            && !Reason::ALL.iter().any(|known| known.word() == reason)
        {
            let words: Vec<&str> = Reason::ALL.iter().map(|known| known.word()).collect();
            let words = words.join(", ");
            return Err(UsageError(format!("--reason is {reason:?}, it must be one of {words}")));
        }
        let since_ms = self.since.as_deref().map(|text| since(text, now)).transpose()?;
        Ok(Selection { reason: self.reason.clone(), since_ms, places: places.to_vec() })
    }
}

/// A time, given as such or as how long ago it was.
fn since(text: &str, now: i64) -> Result<i64, UsageError> {
    let ago = || {
        let ago = i64::try_from(parse_duration(text)?.as_millis()).ok()?;
        Some(now.saturating_sub(ago))
    };
    parse_time(text).or_else(ago).ok_or_else(|| {
        let allowed = "a time in RFC 3339, epoch milliseconds, or a duration such as 2h";
        UsageError(format!("--since is {text:?}, it must be {allowed}"))
    })
}

fn run_list(arguments: &List, topic: &Topic<'_>) -> anyhow::Result<()> {
    let selection = arguments.filter.selection(&[], now_millis())?;
    let listing = list(topic, &selection, arguments.limit as usize)?;
    if arguments.json {
        let letters: Vec<_> = listing.letters.iter().map(letter_json).collect();
        let selected = listing.selected;
        return output::print_json(&json!({"selected": selected, "letters": letters}));
    }
    let mut lines: Vec<String> = listing.letters.iter().map(letter_line).collect();
    let shown = lines.len() as u64;
    if shown < listing.selected {
        output::note(&format!("the newest {} of {}", count(shown), count(listing.selected)));
    }
    if lines.is_empty() {
        lines.push(format!("no dead letters in {}", topic.name));
    }
    output::print(&lines.join("\n"))
}

fn run_show(arguments: &Show, topic: &Topic<'_>) -> anyhow::Result<()> {
    let found = find(topic, arguments.place)?;
    let (letter, value) = found.with_context(|| {
        format!("no dead letter at {} of {}, see dead-letters list", arguments.place, topic.name)
    })?;
    if let Some(path) = &arguments.value {
        let value = value.as_deref().unwrap_or_default();
        std::fs::write(path, value).with_context(|| format!("writing {}", path.display()))?;
    }
    if arguments.json {
        output::print_json(&shown_value_json(&letter, value.as_deref()))
    } else {
        output::print(&letter_text(&letter, value.as_deref()))
    }
}

fn run_replay(arguments: &Replay, topic: &Topic<'_>, fallback: &str) -> anyhow::Result<()> {
    let selection = arguments.filter.selection(&arguments.places, now_millis())?;
    if selection == Selection::default() && !arguments.all {
        let message = "say what is to be replayed: PARTITION:OFFSET, --reason, --since, or --all";
        return Err(UsageError(message.to_owned()).into());
    }
    let outcome = replay(topic, &selection, fallback, arguments.dry_run)?;
    let json = json!({
        "selected": outcome.selected,
        "replayed": outcome.replayed,
        "incomplete": outcome.incomplete,
        "dry_run": arguments.dry_run,
        "topics": outcome.by_topic,
    });
    output::summary(&replayed_text(&outcome, arguments.dry_run), &json, arguments.json, false)?;
    if !outcome.not_found.is_empty() {
        let places: Vec<String> = outcome.not_found.iter().map(Place::to_string).collect();
        anyhow::bail!("no such dead letter in {}: {}", topic.name, places.join(", "));
    }
    Ok(())
}

fn replayed_text(outcome: &Replayed, is_dry: bool) -> String {
    let mut text = if is_dry {
        format!("{} dead letters would be replayed", count(outcome.selected - outcome.incomplete))
    } else {
        format!("{} dead letters replayed", count(outcome.replayed))
    };
    for (topic, letters) in &outcome.by_topic {
        text.push_str(&format!("\n  {} to {topic}", count(*letters)));
    }
    if outcome.incomplete > 0 {
        let incomplete = count(outcome.incomplete);
        text.push_str(&format!("\n{incomplete} have no value: it was too large to be kept"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        const NOW: i64 = 1_767_225_600_000;
        for (text, expected) in [
            ("2026-01-01T00:00:00Z", NOW),
            ("1767225600000", NOW),
            ("2h", NOW - 7_200_000),
            ("7d", NOW - 604_800_000),
        ] {
            assert_eq!(since(text, NOW).unwrap(), expected, "{text}");
        }
        for text in ["", "yesterday", "2 hours"] {
            assert!(since(text, NOW).unwrap_err().to_string().contains("--since"), "{text}");
        }
    }

    #[test]
    fn reasons_are_known_words() {
        let filter = |reason: &str| Filter { reason: Some(reason.to_owned()), since: None };
        for reason in Reason::ALL {
            let selection = filter(reason.word()).selection(&[], 0).unwrap();
            assert_eq!(selection.reason.as_deref(), Some(reason.word()));
        }
        let error = filter("unknown-schema").selection(&[], 0).unwrap_err().to_string();
        assert!(error.contains("unknown_schema"), "{error}");
    }
}
