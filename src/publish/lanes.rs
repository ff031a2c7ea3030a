//! All lanes, and names for them that can't be wrong: a [`LaneId`] is only given out here, and no lane ever goes.

use super::lane::Lane;
use crate::callback::names::Family;
use std::{
    ops::{Index, IndexMut},
    slice,
};

/// One of the lanes of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(usize);

#[cfg(test)]
impl LaneId {
    /// For tests that need a name and no lane.
    pub(super) const fn made_up(at: usize) -> Self {
        Self(at)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lanes<C, P>(Vec<Lane<C, P>>);

impl<C, P> Lanes<C, P> {
    /// Of all families, each in one.
    pub(super) fn new(lanes: Vec<Lane<C, P>>) -> Self {
        let has = |family: &Family| lanes.iter().any(|lane| lane.families.contains(family));
        assert!(Family::ALL.iter().all(has), "each family has a lane");
        Self(lanes)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = LaneId> + use<C, P> {
        (0..self.0.len()).map(LaneId)
    }

    pub(super) fn of(&self, family: Family) -> LaneId {
        let lane = self.find(|lane| lane.families.contains(&family));
        // Each family has one.
        lane.unwrap_or(LaneId(0))
    }

    pub(super) fn iter(&self) -> slice::Iter<'_, Lane<C, P>> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> slice::IterMut<'_, Lane<C, P>> {
        self.0.iter_mut()
    }

    /// The first that is so.
    pub(super) fn find(&self, is_so: impl Fn(&Lane<C, P>) -> bool) -> Option<LaneId> {
        self.0.iter().position(is_so).map(LaneId)
    }

    /// All but one.
    pub(super) fn others(&self, than: LaneId) -> impl Iterator<Item = &Lane<C, P>> {
        let others = self
            .0
            .iter()
            .enumerate()
            .filter(move |(at, _)| *at != than.0);
        others.map(|(_, lane)| lane)
    }
}

#[expect(clippy::indexing_slicing, reason = "see the module")]
impl<C, P> Index<LaneId> for Lanes<C, P> {
    type Output = Lane<C, P>;

    fn index(&self, id: LaneId) -> &Lane<C, P> {
        &self.0[id.0]
    }
}

#[expect(clippy::indexing_slicing, reason = "see the module")]
impl<C, P> IndexMut<LaneId> for Lanes<C, P> {
    fn index_mut(&mut self, id: LaneId) -> &mut Lane<C, P> {
        &mut self.0[id.0]
    }
}

impl<'a, C, P> IntoIterator for &'a Lanes<C, P> {
    type Item = &'a Lane<C, P>;
    type IntoIter = slice::Iter<'a, Lane<C, P>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, C, P> IntoIterator for &'a mut Lanes<C, P> {
    type Item = &'a mut Lane<C, P>;
    type IntoIter = slice::IterMut<'a, Lane<C, P>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
