//! One line of the table.

/// What a figure must not pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// A figure with its target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) what: String,
    pub(super) target: Target,
    pub(super) measured: f64,
    pub(super) unit: &'static str,
    /// Digits behind the point.
    pub(super) digits: usize,
}

impl Figure {
    /// Whether the target is kept.
    pub(super) fn kept(&self) -> bool {
        match self.target {
            Target::AtMost(most) => self.measured <= most,
            Target::AtLeast(least) => self.measured >= least,
        }
    }

    /// The measured value with its unit.
    pub(super) fn shown(&self) -> String {
        format!("{:.*}{}", self.digits, self.measured, self.spaced_unit())
    }

    /// The target with its unit.
    pub(super) fn target_shown(&self) -> String {
        let (sign, value) = match self.target {
            Target::AtMost(most) => ("≤", most),
            Target::AtLeast(least) => ("≥", least),
        };
        format!("{sign} {value}{}", self.spaced_unit())
    }

    fn spaced_unit(&self) -> String {
        if self.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", self.unit)
        }
    }
}

/// The middle of the values, the mean of the two middle ones of an even number; `None` of none.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted[middle - 1] + upper) / 2.0)
}

/// The smallest of the values that at least this share of them does not pass (the nearest-rank method); `None` of none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a handful of values"
)]
pub(super) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.9), Some(18.0));
        assert_eq!(percentile(&values, 1.0), Some(20.0));
        assert_eq!(percentile(&[7.0], 0.9), Some(7.0));
        assert_eq!(percentile(&[], 0.9), None);
    }

    #[test]
    fn a_target_is_kept_on_its_edge_and_not_beyond() {
        let mut figure = Figure {
            what: "mouth to ear".to_owned(),
            target: Target::AtMost(55.0),
            measured: 55.0,
            unit: "ms",
            digits: 1,
        };
        assert!(figure.kept());
        assert_eq!(
            (figure.shown(), figure.target_shown()),
            ("55.0 ms".to_owned(), "≤ 55 ms".to_owned())
        );
        figure.measured = 55.1;
        assert!(!figure.kept());
        figure.target = Target::AtLeast(0.85);
        figure.measured = 0.84;
        assert!(!figure.kept());
    }
}
