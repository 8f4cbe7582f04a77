//! The least playout delay there could be, computed after the fact from when each packet came.

/// By how many milliseconds the adaptive optimum may change its delay from one frame to the next: a tenth of the frame, as much as
/// stretched speech bears.
const STEP_MS: usize = 2;

/// How late each frame can be played first: when its packet came, or the one after it, which has a copy; infinite where neither did.
pub(crate) fn first_playable_ms(transits_ms: &[Option<f64>]) -> Vec<f64> {
    let at = |index: usize| transits_ms.get(index).copied().flatten();
    (0..transits_ms.len())
        .map(|index| {
            let own = at(index).unwrap_or(f64::INFINITY);
            own.min(at(index + 1).map_or(f64::INFINITY, |next| next + 20.0))
        })
        .collect()
}

/// The least constant delay at which no more than `share` of the frames come too late, and none more than never come.
pub(crate) fn constant_ms(playable_ms: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = playable_ms.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let never = sorted.iter().filter(|delay| delay.is_infinite()).count();
    let late = ((sorted.len() as f64 * share) as usize).max(never);
    sorted[(sorted.len() - late).saturating_sub(1)]
}

/// The least mean delay at which no more than `share` of the frames come too late, where the delay may change from frame to frame as
/// far as stretching goes, and who changes it knows all that will come.
pub(crate) fn adaptive_ms(playable_ms: &[f64], share: f64) -> f64 {
    let never = playable_ms
        .iter()
        .filter(|delay| delay.is_infinite())
        .count();
    let most_late = ((playable_ms.len() as f64 * share) as usize).max(never);
    // The dearer a late frame, the fewer there are: the price at which there are just few enough.
    let (mut low, mut high) = (0.0, 10_000.0);
    for _ in 0..16 {
        let price = (low + high) / 2.0;
        if cheapest_path(playable_ms, price).1 > most_late {
            low = price;
        } else {
            high = price;
        }
    }
    cheapest_path(playable_ms, high).0
}

/// Mean delay and late frames of the path of delays that is cheapest if each late frame costs `price` milliseconds.
fn cheapest_path(playable_ms: &[f64], price: f64) -> (f64, usize) {
    // No delay needs to be longer than the slowest that comes at all.
    let slowest = playable_ms.iter().filter(|delay| delay.is_finite());
    let longest = slowest.fold(0.0_f64, |a, b| a.max(*b)) as usize + 2;
    // Cost so far, sum of delays and late frames on the cheapest way to each delay.
    let mut best = vec![(0.0_f64, 0_usize, 0_usize); longest];
    for playable in playable_ms {
        let before = best.clone();
        for (delay, slot) in best.iter_mut().enumerate() {
            let near = &before[delay.saturating_sub(STEP_MS)..(delay + STEP_MS + 1).min(longest)];
            let (cost, sum, late) = near
                .iter()
                .copied()
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap_or_default();
            let is_late = *playable > delay as f64;
            *slot = (
                cost + delay as f64 + if is_late { price } else { 0.0 },
                sum + delay,
                late + usize::from(is_late),
            );
        }
    }
    let end = best.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    end.map_or((0.0, 0), |(_, sum, late)| {
        (*sum as f64 / playable_ms.len().max(1) as f64, *late)
    })
}
