//! Plans as exploration holds them: which entry of which menu at which choice, a few bytes each. Names come back only
//! when a plan is run or shown.

use giftgenius::ports::Provider;

use crate::fault::site::{Place, Site};
use crate::provider::operations;
use crate::trace::provider_index;

/// The providers, by [`provider_index`].
pub(super) const PROVIDERS: [Provider; 3] = [Provider::Payment, Provider::Catalog, Provider::Inventory];

/// A choice of a run: a site, or what goes wrong over time at a provider, which is chosen before all sites.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Choice {
    /// A place's index, or after all places a provider's.
    kind: u8,
    /// Which time, from 1; 0 over time.
    number: u16,
}

/// How many kinds of choices there are.
pub(super) const KINDS: usize = Place::COUNT + PROVIDERS.len();

/// What a kind of choice is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A place.
    At(Place),
    /// A provider, over time.
    Over(Provider),
}

impl Kind {
    /// Every kind, by index.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Place::all().map(Self::At).chain(PROVIDERS.into_iter().map(Self::Over))
    }

    /// The word for it: `payment.charge`, `provider.payment`.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::At(place) => place.label(),
            Self::Over(Provider::Payment) => "provider.payment",
            Self::Over(Provider::Catalog) => "provider.catalog",
            Self::Over(Provider::Inventory) => "provider.inventory",
        }
    }
}

impl Choice {
    /// The choice at a site; `None` for one that came more often than is counted here.
    pub(super) fn at(site: &Site) -> Option<Self> {
        Some(Self { kind: u8::try_from(site.place.index()).ok()?, number: u16::try_from(site.arrival).ok()? })
    }

    /// The choice of what goes wrong over time at a provider.
    pub(super) fn over(provider: Provider) -> Self {
        let kind = Place::COUNT + provider_index(provider);
        Self { kind: u8::try_from(kind).expect("there are few places and providers"), number: 0 }
    }

    /// The index of its kind among [`Kind::all`].
    pub(super) fn kind_index(self) -> usize {
        self.kind.into()
    }

    /// Its kind.
    pub(super) fn kind(self) -> Kind {
        let index = usize::from(self.kind);
        match index.checked_sub(Place::COUNT) {
            Some(provider) => Kind::Over(PROVIDERS[provider]),
            None => Kind::At(match index.checked_sub(operations::ALL.len()) {
                None => Place::Request(operations::ALL[index]),
                Some(own) => Place::OWN[own],
            }),
        }
    }

    /// Which time, from 1; 0 over time.
    pub(super) fn number(self) -> u32 {
        self.number.into()
    }

    /// The choice at the `number`th time of this one's place.
    pub(super) fn with_number(self, number: u16) -> Self {
        Self { number, ..self }
    }
}

/// One choice that was not *nothing goes wrong*.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Deviation {
    /// Where.
    pub(super) at: Choice,
    /// Which entry of the menu there.
    pub(super) entry: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_choice_is_found_by_its_index() {
        for (index, kind) in Kind::all().enumerate() {
            let choice = match kind {
                Kind::At(place) => Choice::at(&Site { place, arrival: 3, for_step: None }).expect("a small number"),
                Kind::Over(provider) => Choice::over(provider),
            };
            assert_eq!((choice.kind_index(), choice.kind()), (index, kind));
        }
        assert_eq!(Kind::all().count(), KINDS);
    }
}
