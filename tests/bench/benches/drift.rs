//! The same fleet under criterion, for comparing two states of the code with confidence intervals.

use std::hint::black_box;

use bench_tests::{
    drift::{judged, planned},
    fleets::drifted,
};
use criterion::{Criterion, criterion_group, criterion_main};

fn drift(criterion: &mut Criterion) {
    let world = drifted("criterion");
    let mut group = criterion.benchmark_group("drift");
    group.sample_size(20);
    group.bench_function("assess, groups, deltas", |bencher| {
        bencher.iter(|| judged(black_box(&world)));
    });
    group.bench_function("plan of sync", |bencher| {
        bencher.iter(|| planned(black_box(&world)));
    });
    group.finish();
}

criterion_group!(benches, drift);
criterion_main!(benches);
