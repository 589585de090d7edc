//! From rows of the table to prometheus' counters, gauges and histograms.

use std::marker::PhantomData;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::catalog::{Kind, Row};
use super::words::Word;

/// Why creating and registering a metric cannot fail.
const TABLE_HOLDS: &str = "invariant: the table's names are unique and well-formed";

/// Creates metrics from rows and registers them.
pub(super) struct Maker<'a>(pub(super) &'a Registry);

impl Maker<'_> {
    /// A counter without labels.
    pub(super) fn counter(&self, row: &Row) -> IntCounter {
        self.registered(IntCounter::with_opts(opts(row)))
    }

    /// One counter for each value of the row's only label.
    pub(super) fn counters<W: Word>(&self, row: &Row) -> Counters<W> {
        Counters::new(&self.counter_vec(row), &[])
    }

    /// A counter with labels.
    pub(super) fn counter_vec(&self, row: &Row) -> IntCounterVec {
        self.registered(IntCounterVec::new(opts(row), row.labels))
    }

    /// A gauge without labels.
    pub(super) fn gauge(&self, row: &Row) -> IntGauge {
        self.registered(IntGauge::with_opts(opts(row)))
    }

    /// A gauge that is always 1; its label carries the information.
    pub(super) fn info(&self, row: &Row, value: &str) {
        let gauge = IntGauge::with_opts(opts(row).const_label(row.labels[0], value));
        self.registered(gauge).set(1);
    }

    /// A histogram without labels.
    pub(super) fn histogram(&self, row: &Row) -> Histogram {
        self.registered(Histogram::with_opts(histogram_opts(row)))
    }

    /// A histogram with labels.
    pub(super) fn histogram_vec(&self, row: &Row) -> HistogramVec {
        self.registered(HistogramVec::new(histogram_opts(row), row.labels))
    }

    fn registered<M: Collector + Clone + 'static>(&self, made: prometheus::Result<M>) -> M {
        let metric = made.expect(TABLE_HOLDS);
        self.0.register(Box::new(metric.clone())).expect(TABLE_HOLDS);
        metric
    }
}

/// The name and help of a row.
pub(super) fn opts(row: &Row) -> Opts {
    Opts::new(row.name, row.help)
}

fn histogram_opts(row: &Row) -> HistogramOpts {
    let Kind::Histogram(buckets) = row.kind else {
        panic!("{} is no histogram", row.name);
    };
    HistogramOpts::from(opts(row)).buckets(buckets.to_vec())
}

/// One counter for each value of a label, found by index instead of by text.
#[derive(Debug)]
pub(super) struct Counters<W> {
    children: Box<[IntCounter]>,
    words: PhantomData<W>,
}

impl<W: Word> Counters<W> {
    /// The counters of a vector whose first label is `W` and whose other labels have these values.
    pub(super) fn new(vec: &IntCounterVec, others: &[&str]) -> Self {
        let child = |word: &W| vec.with_label_values(&[&[word.word()], others].concat());
        Self { children: W::ALL.iter().map(child).collect(), words: PhantomData }
    }

    /// Adds to the counter of one value.
    pub(super) fn add(&self, word: W, count: u64) {
        self.children[word.place()].inc_by(count);
    }
}
