//! The same approvals under criterion, for comparing two states of the code.

use std::hint::black_box;

use bench_tests::approvals::cases;
use criterion::{Criterion, criterion_group, criterion_main};

fn approvals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("approvals");
    for case in cases().expect("approvals can be signed") {
        group.bench_function(case.name, |bencher| bencher.iter(|| black_box(&case).verify()));
    }
    group.finish();
}

criterion_group!(benches, approvals);
criterion_main!(benches);
