//! The same bundles under criterion, for comparing two states of the code.

use std::hint::black_box;

use bench_tests::verification::{Bare, cases};
use criterion::{Criterion, criterion_group, criterion_main};

fn verification(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verification");
    let bare = Bare::new().expect("a key can be made");
    group.bench_function("bare ECDSA", |bencher| bencher.iter(|| black_box(&bare).verify()));
    for case in cases().expect("bundles can be issued") {
        group.bench_function(case.name, |bencher| bencher.iter(|| black_box(&case).verify()));
    }
    group.finish();
}

criterion_group!(benches, verification);
criterion_main!(benches);
