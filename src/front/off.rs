//! The families that are `off`: decided at the door, so that nothing of them is appended.

use crate::callback::names::Family;

/// Proof that a callback's family is `off`. Only [`Off::ignores`] makes one; it can be used once.
///
/// ```compile_fail
/// let forged = livebridge::front::off::Ignored(());
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it is what entitles a caller to answer 200 without a record"]
pub struct Ignored(());

/// The families that are `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Off(u16);

const _: () = assert!(Family::ALL.len() <= u16::BITS as usize);

impl Off {
    /// All families but the ones that have a topic.
    #[must_use]
    pub fn all_but(mut has_topic: impl FnMut(Family) -> bool) -> Self {
        let off = Family::ALL.iter().filter(|&&family| !has_topic(family));
        Self(off.fold(0, |bits, family| bits | 1 << family.code()))
    }

    /// The proof, if this family is off.
    #[must_use]
    pub const fn ignores(self, family: Family) -> Option<Ignored> {
        if self.0 & (1 << family.code()) == 0 {
            None
        } else {
            Some(Ignored(()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_families_without_a_topic_are_ignored() {
        let off =
            Off::all_but(|family| family != Family::Intelligence && family != Family::Unknown);
        for &family in Family::ALL {
            let expected = matches!(family, Family::Intelligence | Family::Unknown);
            assert_eq!(off.ignores(family).is_some(), expected, "{family}");
        }
        assert_eq!(Off::default(), Off::all_but(|_| true));
    }
}
