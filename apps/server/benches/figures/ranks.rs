//! Whether two samples are of one distribution: the rank-sum test of Mann and Whitney.

/// Prints quantiles of both, and what the test says.
pub(crate) fn compare(first: &str, one: &[f64], second: &str, other: &[f64]) {
    for (name, sample) in [(first, one), (second, other)] {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        let quantile = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        println!(
            "  {name:<18} 10 % {:6.2}  median {:6.2}  90 % {:6.2}  99 % {:6.2}  ({} answers)",
            quantile(0.1),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            sorted.len()
        );
    }
    let (share, z) = rank_sum(one, other);
    println!(
        "  an answer of the first takes longer than one of the second in {:.1} % of pairs; z = {z:+.2}",
        share * 100.0
    );
}

/// How often one of the first is greater than one of the second, ties as halves; and how many standard deviations that is from a half.
fn rank_sum(one: &[f64], other: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> = one.iter().map(|value| (*value, true)).collect();
    all.extend(other.iter().map(|value| (*value, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (n, m) = (one.len() as f64, other.len() as f64);
    let total = n + m;
    let (mut ranks, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let alike = all[at..].iter().take_while(|it| it.0 == all[at].0).count();
        // The mean of the ranks at + 1 to at + alike.
        let rank = at as f64 + (alike as f64 + 1.0) / 2.0;
        ranks += rank * all[at..at + alike].iter().filter(|it| it.1).count() as f64;
        ties += (alike as f64).powi(3) - alike as f64;
        at += alike;
    }
    let greater = ranks - n * (n + 1.0) / 2.0;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    (greater / (n * m), (greater - n * m / 2.0) / variance.sqrt())
}
