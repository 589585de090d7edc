//! The brokers: who has which partition, what is committed, what was published.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use synfinance::edges::kafka::{Commits, Rebalance};

use crate::draw::Draw;
use crate::truth::{Alert, PARTITIONS, TRUTH};
use crate::world::Stay;

/// How long a transaction may be open.
pub const TRANSACTION_TIME: Duration = Duration::from_secs(15);

/// Who has a partition, and which time it is that anybody does: what a member asks in an earlier
/// one's name is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub stay: Stay,
    pub tenure: u64,
}

#[derive(Clone, Default)]
pub struct Partition {
    /// How much of its log there is.
    pub produced: usize,
    pub committed: Option<i64>,
    /// The furthest that ever was: commits that arrive late may go back.
    pub ever_committed: i64,
    pub owner: Option<Owner>,
    /// Who is to have it next.
    pub moves_to: Option<usize>,
    /// Nobody has it before.
    pub free_at: Duration,
}

/// Offsets on their way: partition, offset, and the tenure that the member believes in.
pub type Offsets = Vec<(usize, i64, Option<u64>)>;

/// What the group wants of a member, the tenures that it gets, and when it hears of it.
pub struct Request {
    pub what: Rebalance,
    tenures: Vec<(usize, u64)>,
    pub heard_at: Duration,
}

/// A member as the brokers, and its own client, see it.
pub struct Membership {
    pub stay: Stay,
    pub requests: VecDeque<Request>,
    /// What it believes to have.
    pub tenures: BTreeMap<usize, u64>,
    pub positions: BTreeMap<usize, i64>,
    pub paused: BTreeSet<usize>,
    /// Commits that have not arrived.
    pub commits: VecDeque<Offsets>,
    /// What has become of those that have.
    pub answers: Commits,
    /// Alerts that have not arrived, and the member's number of each, if it is to hear of it.
    pub sent: Vec<(Option<usize>, Alert)>,
    /// Numbers of those that have, of which the member has not heard.
    pub taken: VecDeque<usize>,
    /// The next acknowledgement comes twice.
    pub repeats: bool,
    pub transaction: Option<(Duration, Vec<Alert>)>,
    /// It is leaving: nothing more is given to it.
    pub is_leaving: bool,
}

impl Membership {
    pub fn new(stay: Stay) -> Self {
        Self {
            stay,
            requests: VecDeque::new(),
            tenures: BTreeMap::new(),
            positions: BTreeMap::new(),
            paused: BTreeSet::new(),
            commits: VecDeque::new(),
            answers: Commits::default(),
            sent: Vec::new(),
            taken: VecDeque::new(),
            repeats: false,
            transaction: None,
            is_leaving: false,
        }
    }

    /// What the group wants of it, as far as it has heard.
    pub fn request(&self, now: Duration) -> Option<&Rebalance> {
        let heard = self.requests.front().filter(|request| request.heard_at <= now);
        heard.map(|request| &request.what)
    }

    /// Offsets with the tenures that it believes in.
    pub fn name(&self, offsets: &[(i32, i64)]) -> Offsets {
        let name = |&(partition, offset): &(i32, i64)| {
            let partition = partition as usize;
            (partition, offset, self.tenures.get(&partition).copied())
        };
        offsets.iter().map(name).collect()
    }
}

pub struct Group {
    pub partitions: Vec<Partition>,
    /// By seat.
    pub members: BTreeMap<usize, Membership>,
    /// What subscribers see.
    pub alerts: Vec<Alert>,
    /// Of which transactions and what they say.
    published: BTreeSet<Alert>,
    /// What must not have been asked of the brokers.
    pub complaint: Option<String>,
    /// The brokers do not answer before.
    pub silent_until: Duration,
    tenures: u64,
}

impl Group {
    pub fn new() -> Self {
        Self {
            partitions: vec![Partition::default(); PARTITIONS],
            members: BTreeMap::new(),
            alerts: Vec::new(),
            published: BTreeSet::new(),
            complaint: None,
            silent_until: Duration::ZERO,
            tenures: 0,
        }
    }

    /// Alerts are visible.
    pub fn publish(&mut self, alerts: Vec<Alert>) {
        self.published.extend(alerts.iter().cloned());
        self.alerts.extend(alerts);
    }

    /// Whether whoever names these tenures has all of the partitions.
    pub fn is_owner(&self, offsets: &Offsets) -> bool {
        offsets.iter().all(|&(partition, _, tenure)| {
            let owner = self.partitions[partition].owner;
            tenure.is_some() && owner.map(|owner| owner.tenure) == tenure
        })
    }

    /// A commit arrives: all of it is taken, or none.
    pub fn commit(&mut self, offsets: &Offsets) -> bool {
        let is_taken = self.is_owner(offsets);
        for &(partition, offset, tenure) in offsets {
            if tenure.is_none() {
                let complaint = format!("{partition} is committed by who has given it up");
                self.complaint.get_or_insert(complaint);
            }
            if is_taken {
                self.expect_published(partition, offset);
                let of = &mut self.partitions[partition];
                of.committed = Some(offset);
                of.ever_committed = of.ever_committed.max(offset);
            }
        }
        is_taken
    }

    /// Nobody reads again what is committed, so its alerts have to be there.
    fn expect_published(&mut self, partition: usize, offset: i64) {
        let from = self.partitions[partition].committed.unwrap_or(0).min(offset);
        let mut alerts = TRUTH.alerts.range((partition, from)..(partition, offset));
        let missing = alerts.find(|(_, alert)| !self.published.contains(*alert));
        if let Some(((_, at), _)) = missing {
            let complaint = format!(
                "partition {partition} is committed up to {offset} without the alert of {at}"
            );
            self.complaint.get_or_insert(complaint);
        }
    }

    /// A commit of a member that is on its way arrives, or fails to; mostly the first one.
    pub fn carry_out(&mut self, seat: usize, draw: &mut Draw, is_healthy: bool) {
        let Some(member) = self.members.get_mut(&seat) else { return };
        let place =
            if is_healthy || draw.chance(70) { 0 } else { draw.below(member.commits.len()) };
        let Some(offsets) = member.commits.remove(place) else { return };
        let course = if is_healthy { 99 } else { draw.below(100) };
        let is_taken = course >= 8 && self.commit(&offsets);
        let Some(member) = self.members.get_mut(&seat) else { return };
        match course {
            // Nobody hears of it any more, done or not.
            0..4 | 8..12 => {}
            _ if is_taken => {
                member.answers.succeeded += 1;
                let confirmed = offsets.iter().map(|(of, offset, _)| (*of as i32, *offset));
                member.answers.confirmed.extend(confirmed);
            }
            _ => member.answers.failed += 1,
        }
    }

    /// So many alerts of a member arrive, in any order.
    pub fn take_alerts(&mut self, seat: usize, count: usize, draw: &mut Draw) {
        let Some(member) = self.members.get_mut(&seat) else { return };
        let mut arrived = Vec::new();
        for _ in 0..count.min(member.sent.len()) {
            let (number, alert) = member.sent.remove(draw.below(member.sent.len()));
            arrived.push(alert);
            member.taken.extend(number);
        }
        self.publish(arrived);
    }

    /// A member's session is over: the group gives its partitions to others, and it hears of it
    /// later.
    pub fn expel(&mut self, seat: usize, now: Duration, heard_at: Duration) -> Vec<usize> {
        let lost = self.free(seat, now);
        let Some(member) = self.members.get_mut(&seat) else { return lost };
        let mut all: Vec<i32> = lost.iter().map(|partition| *partition as i32).collect();
        for request in &mut member.requests {
            if let Rebalance::Revoke(partitions) = &mut request.what {
                all.retain(|partition| !partitions.contains(partition));
                request.what = Rebalance::Lose(std::mem::take(partitions));
            }
        }
        if !all.is_empty() {
            let what = Rebalance::Lose(all);
            member.requests.push_back(Request { what, tenures: Vec::new(), heard_at });
        }
        lost
    }

    /// A member is no more: killed, or gone.
    pub fn remove(&mut self, seat: usize, free_at: Duration) {
        self.free(seat, free_at);
        self.members.remove(&seat);
    }

    fn free(&mut self, seat: usize, free_at: Duration) -> Vec<usize> {
        let mut freed = Vec::new();
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            if partition.owner.is_some_and(|owner| owner.stay.seat == seat) {
                (partition.owner, partition.moves_to) = (None, None);
                partition.free_at = free_at;
                freed.push(number);
            }
        }
        freed
    }

    /// The group decides that a partition moves: whoever has it is asked to give it up.
    pub fn ask_to_move(&mut self, partition: usize, to: usize, now: Duration) {
        let Partition { owner, moves_to, .. } = &mut self.partitions[partition];
        let Some(Owner { stay, .. }) = *owner else { return };
        let Some(member) = self.members.get_mut(&stay.seat) else { return };
        if stay.seat == to || moves_to.is_some() || member.is_leaving {
            return;
        }
        *moves_to = Some(to);
        let (what, tenures) = (Rebalance::Revoke(vec![partition as i32]), Vec::new());
        member.requests.push_back(Request { what, tenures, heard_at: now });
    }

    /// Partitions that nobody has are given to somebody; who has got what.
    pub fn assign(&mut self, now: Duration, draw: &mut Draw) -> Vec<(usize, Vec<usize>)> {
        let takes = |member: &&Membership| !member.is_leaving && member.requests.is_empty();
        let ready: Vec<usize> =
            self.members.values().filter(takes).map(|member| member.stay.seat).collect();
        let mut given: BTreeMap<usize, Vec<(usize, u64)>> = BTreeMap::new();
        if ready.is_empty() {
            return Vec::new();
        }
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            if partition.owner.is_some() || partition.free_at > now {
                continue;
            }
            let wanted = partition.moves_to.take().filter(|seat| ready.contains(seat));
            let seat = wanted.unwrap_or_else(|| ready[draw.below(ready.len())]);
            self.tenures += 1;
            let (stay, tenure) = (self.members[&seat].stay, self.tenures);
            partition.owner = Some(Owner { stay, tenure });
            given.entry(seat).or_default().push((number, tenure));
        }
        let mut told = Vec::new();
        for (seat, partitions) in given {
            let numbers: Vec<usize> = partitions.iter().map(|(number, _)| *number).collect();
            let what = Rebalance::Assign(numbers.iter().map(|one| *one as i32).collect());
            let member = self.members.get_mut(&seat).expect("it is ready");
            member.requests.push_back(Request { what, tenures: partitions, heard_at: now });
            told.push((seat, numbers));
        }
        told
    }

    /// A member has answered what the group wanted; `starts` is where it reads on.
    pub fn complete(
        &mut self,
        seat: usize,
        starts: &[(i32, i64)],
        now: Duration,
    ) -> Option<Rebalance> {
        let member = self.members.get_mut(&seat)?;
        let Request { what: request, tenures, .. } = member.requests.pop_front()?;
        let gone: &[i32] = match &request {
            Rebalance::Assign(_) => &[],
            Rebalance::Revoke(gone) | Rebalance::Lose(gone) => gone,
        };
        for (partition, tenure) in tenures {
            let start = starts.iter().find(|(number, _)| *number as usize == partition);
            let start = start.expect("a worker says where it begins").1;
            member.tenures.insert(partition, tenure);
            member.positions.insert(partition, start);
        }
        for partition in gone.iter().map(|partition| *partition as usize) {
            let tenure = member.tenures.remove(&partition);
            member.positions.remove(&partition);
            let of = &mut self.partitions[partition];
            if of.owner.is_some_and(|owner| Some(owner.tenure) == tenure) {
                (of.owner, of.free_at) = (None, now);
            }
        }
        Some(request)
    }
}
