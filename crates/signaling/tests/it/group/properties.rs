//! Whatever the machine is told, its bounds hold.

use proptest::prelude::*;

use super::any_inputs::{PEOPLE, Trial};
use crate::calls::origin;
use crate::rosters::person;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_it_is_told_the_bounds_hold(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        // The machine is in the middle of them: some call it, some it calls.
        let mut people: Vec<_> = (0..PEOPLE as u8).map(person).collect();
        people.swap(0, 12);
        Trial::run(&people, origin(), &bytes);
    }
}
