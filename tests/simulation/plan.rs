//! What a seed makes happen, and when.

use std::time::Duration;

use crate::draw::Draw;
use crate::truth::PARTITIONS;
use crate::world::SEATS;

/// Acts of a seed, and the time in which they happen; then everything heals.
const ACTS: usize = 70;
pub const TIME: Duration = Duration::from_secs(30);

/// Something that happens to the world.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// A partition gets more records.
    Produce { partition: usize, records: usize },
    /// The group moves a partition.
    Move { partition: usize, to: usize },
    /// The group does without a process, which does not know, and may stand still for a while.
    Expel { seat: usize, stands_for: Duration },
    /// A process stands still.
    Freeze { seat: usize, stands_for: Duration },
    /// A process ends in the middle of everything.
    Kill { seat: usize },
    /// A process is told to end.
    Stop { seat: usize },
    /// The database does not answer.
    CutDatabase { for_time: Duration },
    /// The database loses what is not on its disk.
    RestartDatabase,
    /// Answers of the database take long.
    SlowDatabase { for_time: Duration },
    /// A stored customer cannot be read any more.
    Damage { partition: usize, place: usize },
    /// The brokers do not answer.
    CutBrokers { for_time: Duration },
    /// A process's commits arrive in another order.
    Reorder { seat: usize },
    /// An acknowledgement comes twice, which cannot be: the process is to stop.
    Repeat { seat: usize },
}

/// The acts of a seed in order of time.
pub fn plan(seed: u64) -> Vec<(Duration, Act)> {
    let draw = &mut Draw::new(seed);
    let mut acts: Vec<(Duration, Act)> = (0..ACTS)
        .map(|_| (Duration::from_millis(draw.below(TIME.as_millis() as usize) as u64), act(draw)))
        .collect();
    acts.sort_by_key(|(at, _)| *at);
    acts
}

fn act(draw: &mut Draw) -> Act {
    let (partition, seat) = (draw.below(PARTITIONS), draw.below(SEATS));
    let time = Duration::from_millis(50 + draw.below(4_000) as u64);
    let long = time * (1 + 4 * u32::from(draw.chance(25)));
    match draw.below(100) {
        0..50 => Act::Produce { partition, records: 1 + draw.below(30) },
        50..62 => Act::Move { partition, to: seat },
        62..67 => {
            Act::Expel { seat, stands_for: if draw.chance(50) { long } else { Duration::ZERO } }
        }
        67..69 => Act::Freeze { seat, stands_for: long },
        69..76 => Act::Kill { seat },
        76..82 => Act::Stop { seat },
        82..86 => Act::CutDatabase { for_time: long },
        86..89 => Act::RestartDatabase,
        89..91 => Act::SlowDatabase { for_time: time },
        91..93 => Act::Damage { partition, place: draw.below(1_000) },
        93..96 => Act::CutBrokers { for_time: long },
        96..99 => Act::Reorder { seat },
        _ => Act::Repeat { seat },
    }
}
