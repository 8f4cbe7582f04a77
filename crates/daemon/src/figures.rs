//! What a daemon counts, as Prometheus reads it. Sums only: nothing is kept by address, network, name or token.

use std::sync::atomic::{AtomicU64, Ordering};

/// The type of what [`figures!`](crate::figures!) writes.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One number.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// One more, for as long as the guard lives.
    pub fn guard(&self) -> GaugeGuard<'_> {
        self.one();
        GaugeGuard(self)
    }

    /// This, whatever it was.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts in a gauge for as long as it lives.
#[derive(Debug)]
pub struct GaugeGuard<'a>(&'a Figure);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The figures of one program: `Figures`, with a [`Figure`] for each line, and their text in Prometheus' format 0.0.4.
///
/// First comes what all names begin with; then of each figure its help, its name in the code, its kind, the family it is shown in,
/// and its label if there are several in that family. Those of a family stand together.
#[macro_export]
macro_rules! figures {
    (
        $prefix:literal:
        $($(#[doc = $help:literal])+ $name:ident: $kind:literal as $shown:literal $({ $label:literal })?,)+
    ) => {
        /// All of them.
        #[derive(Debug, Default)]
        pub(crate) struct Figures {
            $($(#[doc = $help])+ pub(crate) $name: $crate::figures::Figure,)+
        }

        impl Figures {
            /// In Prometheus' text format 0.0.4.
            pub(crate) fn text(&self) -> String {
                use ::std::fmt::Write as _;

                let mut text = String::with_capacity(4096);
                let mut last = "";
                $(
                    let shown = concat!($prefix, "_", $shown);
                    if last != shown {
                        last = shown;
                        let help = concat!($($help,)+).trim();
                        let _ = writeln!(text, "# HELP {shown} {help}");
                        let _ = writeln!(text, concat!("# TYPE {} ", $kind), shown);
                    }
                    let label = concat!($("{", $label, "}")?);
                    let _ = writeln!(text, "{shown}{label} {}", self.$name.value());
                )+
                let _ = last;
                text
            }
        }
    };
}

#[cfg(test)]
mod tests {
    crate::figures! {
        "test":
        /// Doors.
        doors: "gauge" as "doors",
        /// People who came.
        early: "counter" as "came_total" {"when=\"early\""},
        /// People who came.
        late: "counter" as "came_total" {"when=\"late\""},
    }

    #[test]
    fn a_gauge_counts_what_there_is() {
        let figures = Figures::default();
        let open = figures.doors.guard();
        drop(figures.doors.guard());
        assert_eq!(figures.doors.value(), 1);
        drop(open);
        assert_eq!(figures.doors.value(), 0);
    }

    #[test]
    fn a_family_is_introduced_once() {
        let figures = Figures::default();
        figures.late.add(2);
        assert_eq!(
            figures.text(),
            "# HELP test_doors Doors.\n# TYPE test_doors gauge\ntest_doors 0\n\
             # HELP test_came_total People who came.\n# TYPE test_came_total counter\n\
             test_came_total{when=\"early\"} 0\ntest_came_total{when=\"late\"} 2\n"
        );
    }
}
